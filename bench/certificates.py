"""One authority and one ECDSA certificate for the servers of a run."""

from dataclasses import dataclass
from pathlib import Path

import trustme

NAMES = ("mx.bench.test", "127.0.0.1", "*.bench.test", "*.wide.bench.test")


@dataclass(frozen=True, slots=True)
class Certificates:
    """`pem` is the servers' key and chain, `ca` the authority that vouches for them."""

    pem: Path
    ca: Path


def issue(folder: Path) -> Certificates:
    """Write both files into `folder`."""
    authority = trustme.CA()
    pem, ca = folder / "server.pem", folder / "ca.pem"
    authority.issue_cert(*NAMES).private_key_and_cert_chain_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(ca))
    return Certificates(pem, ca)
