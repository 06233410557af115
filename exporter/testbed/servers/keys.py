"""DKIM keys for the testbed's zones: good ones, short ones, and one that is far too small."""

from base64 import b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key: `pem` signs, `public` is its value in a key record (p=)."""

    pem: str
    public: str


def rsa_key(bits: int) -> SigningKey:
    """A new one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(pem.decode(), b64encode(der).decode())


def ed25519_public() -> str:
    """The public half of a new Ed25519 key, RFC 8463 §4."""
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def tiny_public() -> str:
    """RSA of 512 bits, which the library no longer makes: two numbers in DER, RFC 8017 §A.1.1."""
    modulus = (1 << 511 | 1 << 100 | 1).to_bytes(64, "big")
    inner = b"\x30\x48\x02\x41\x00" + modulus + b"\x02\x03\x01\x00\x01"
    outer = bytes.fromhex("305c300d06092a864886f70d0101010500034b00") + inner
    return b64encode(outer).decode()


def key_record(selector: str, text: str) -> str:
    """The key record of a selector for a zone, in strings as long as they may be."""
    strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    return f"{selector}._domainkey TXT {strings}\n"
