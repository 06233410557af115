"""What cases are furnished with: certificates, trust stores and keys, made once."""

import ssl
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from exporter.liars.certificates import Authority, Identity, identity
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
    canaries; `signing_record` is the key record that belongs to it.
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
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be short
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    modern = ed25519.Ed25519PrivateKey.generate().public_key()
    raw = modern.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Props(
        authority,
        TrustStore(str(authority.file)),
        TrustStore(str(unreadable)),
        identity(authority.pem(*HOSTS), authority.file.read_bytes()),
        authority.context(POLICY_HOST),
        pem.decode(),
        f"v=DKIM1; k=rsa; p={_public(key)}",
        f"v=DKIM1; p={_public(short)}",
        f"v=DKIM1; p={_tiny_key()}",
        f"v=DKIM1; k=ed25519; p={b64encode(raw).decode()}",
    )


def text_record(name: str, text: str) -> str:
    """A TXT record of a zone, in strings as long as they may be."""
    strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    return f"{name} TXT {strings}\n"


def key_record(selector: str, text: str) -> str:
    """The DKIM key record of a selector."""
    return text_record(f"{selector}._domainkey", text)


def _public(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


def _tiny_key() -> str:
    """512 bits, which the library no longer makes: modulus and exponent in DER, RFC 8017 §A.1.1."""
    modulus = (1 << 511 | 1 << 100 | 1).to_bytes(64, "big")
    inner = b"\x30\x48\x02\x41\x00" + modulus + b"\x02\x03\x01\x00\x01"
    outer = bytes.fromhex("305c300d06092a864886f70d0101010500034b00") + inner
    return b64encode(outer).decode()
