"""The example configurations of the documentation with all the files they name around them."""

import shutil
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.places import ROOT

EXAMPLES = ROOT / "docs" / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir())
ENVIRON = {"SMTP_PASSWORD": "hunter2", "IMAP_PASSWORD": "hunter3"}


def example(name: str, folder: Path) -> Path:
    """A copy of one of them in `folder`, ready to be read."""
    trustme.CA().cert_pem.write_to_path(str(folder / "ca.pem"))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "dkim.pem").write_bytes(pem)
    (folder / "imap-password").write_text("hunter4\n")
    return Path(shutil.copy(EXAMPLES / name, folder))
