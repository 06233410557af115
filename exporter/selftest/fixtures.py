"""Fixtures of the cases: certificates, trust stores and keys, made once."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from exporter.testbed.servers.certificates import Authority, Identity, identity
from exporter.testbed.servers.keys import ed25519_public, rsa_key, tiny_public
from probes.net.tls import TrustStore

DOMAIN = "example.test"
MX, SECOND_MX, POLICY_HOST = f"mx.{DOMAIN}", f"mx2.{DOMAIN}", f"mta-sts.{DOMAIN}"
SUBMISSION_HOST, IMAP_HOST = f"submit.{DOMAIN}", f"imap.{DOMAIN}"
HOSTS = (MX, SECOND_MX, DOMAIN, f"real.{DOMAIN}", SUBMISSION_HOST, IMAP_HOST)

USER, PASSWORD = "canary", "correct horse"


@dataclass(frozen=True, slots=True)
class Props:
    """`server` is good for every host of the worlds; `trust` knows its authority.

    `ignorant` is the trust store of a machine that knows no authority. `signing_key` (PEM) signs
    canaries; `signing_record` is the text of the key record that belongs to it, the others are
    texts of further ones.
    """

    authority: Authority
    trust: TrustStore
    ignorant: TrustStore
    server: Identity
    policy_host: ssl.SSLContext
    signing_key: str
    signing_record: str
    short_record: str
    tiny_record: str
    ed25519_record: str


def make_props(folder: Path) -> Props:
    """Furnish, with some files in `folder`."""
    authority = Authority(folder)
    unreadable = folder / "unreadable.pem"
    unreadable.write_bytes(authority.of_unknown_version())
    key = rsa_key(2048)
    return Props(
        authority,
        TrustStore(str(authority.file)),
        TrustStore(str(unreadable)),
        identity(authority.pem(*HOSTS), authority.file.read_bytes()),
        authority.context(POLICY_HOST),
        key.pem,
        f"v=DKIM1; k=rsa; p={key.public}",
        f"v=DKIM1; p={rsa_key(1024).public}",
        f"v=DKIM1; p={tiny_public()}",
        f"v=DKIM1; k=ed25519; p={ed25519_public()}",
    )
