"""Writes everything the chain's daemons read: certificates, keys, zones, configurations."""

import base64
import hashlib
import os
import shutil
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.chain import layout
from tests.integration.chain.layout import Layout
from tests.integration.chain.render_dns import render_dns
from tests.integration.chain.templating import fill
from tests.servers.real import UNPACKED

TXT_STRING = 255
"""Octets one character-string of a TXT record holds (RFC 1035 §3.3)."""

EXIM_USER = 64999
"""The user Debian compiled into its Exim, who is known only inside; see `_users`."""
DIRECTORIES: dict[str, str | int] = {
    "tls": "root",
    "log": "root",
    "pid": "root",
    "knot": "root",
    "second": "root",
    "unbound": "root",
    "dovecot": "root",
    "mail": "nobody",
    "opendkim": "opendkim",
    "postgrey": "postgrey",
    "rspamd": "_rspamd",
    "rspamd/db": "_rspamd",
    "rspamd/log": "_rspamd",
    "rspamd/local.d": "_rspamd",
    "out": "root",
    "mx": "root",
    "exim": "root",
    "skewed": "root",
    "exim/spool": EXIM_USER,
    "exim/log": EXIM_USER,
    "skewed/spool": EXIM_USER,
    "skewed/log": EXIM_USER,
    "queue": "root",
    "queue/out": "root",
    "queue/mx": "root",
    "data": "root",
    "data/out": "postfix",
    "data/mx": "postfix",
    "prometheus": "root",
    "service": "root",
}
"""Directory below the root -> the user that owns it."""

RSPAMD_MODULES_OFF = (
    *("rbl", "surbl", "fuzzy_check", "redis", "greylist", "neural", "classifier-bayes", "asn"),
    *("phishing", "ratelimit", "rspamd_update", "mx_check", "worker-normal.inc"),
    *("worker-controller.inc", "worker-fuzzy.inc"),
)
"""What would ask the network, or only costs start-up time."""


def render(place: Layout) -> None:
    """Fill the root directory of one chain."""
    for name, owner in DIRECTORIES.items():
        directory = place.root / name
        directory.mkdir()
        shutil.chown(directory, owner)
    mx_tlsa = _certificates(place)
    names = {
        "root": str(place.root),
        "password": layout.PASSWORD,
        "mx_tlsa": mx_tlsa,
        "roundabout": " ".join(
            f"{{{recipient}=smtp:[{relay[0]}]:{relay[1]}}}"
            for recipient, relay in layout.ROUNDABOUT.items()
        ),
        "dkim_record": _dkim_key(place.root / "opendkim" / "s1.pem"),
    }
    _plain_files(place.root, names)
    render_dns(place, names)
    _rspamd(place.root, names)
    _exim(place, names, "exim", layout.EXIM[0], layout.EXIM_HOST)
    _exim(place, names, "skewed", layout.SKEWED[0], layout.SKEWED_HOST)
    _users(place.root)
    _postfix(place, names, "out", layout.OUT)
    _postfix(place, names, "mx", layout.MX)


def _plain_files(root: Path, names: dict[str, str]) -> None:
    for template, target in (
        ("resolv.conf", "resolv.conf"),
        ("nsswitch.conf", "nsswitch.conf"),
        ("firewall", "firewall"),
        ("opendkim.conf", "opendkim/opendkim.conf"),
        ("dovecot.conf", "dovecot/dovecot.conf"),
        ("dovecot.users", "dovecot/users"),
        ("junk.sieve", "dovecot/junk.sieve"),
    ):
        fill(template, root / target, names)


def _rspamd(root: Path, names: dict[str, str]) -> None:
    fill("rspamd.public-suffixes", root / "rspamd" / "public-suffixes", names)
    local = root / "rspamd" / "local.d"
    for name in ("options.inc", "worker-proxy.inc", "milter_headers.conf"):
        fill(f"rspamd.{name}", local / name, names)
    for name in RSPAMD_MODULES_OFF:
        file_name = name if name.endswith(".inc") else f"{name}.conf"
        (local / file_name).write_text("enabled = false;\n")


def _postfix(place: Layout, names: dict[str, str], instance: str, listen: tuple[str, int]) -> None:
    directory = place.postfix(instance)
    names = {**names, "instance": instance, "listen": f"{listen[0]}:{listen[1]}"}
    fill("postfix.main.common", directory / "main.cf", names)
    common = (directory / "main.cf").read_text("ascii")
    fill(f"{instance}.main.cf", directory / "main.cf", names)
    own = (directory / "main.cf").read_text("ascii")
    (directory / "main.cf").write_text(f"{common}\n{own}", "ascii")
    fill("master.cf", directory / "master.cf", names)


def _exim(place: Layout, names: dict[str, str], instance: str, address: str, host: str) -> None:
    own = {"instance": instance, "address": address, "host": host, "footer": layout.FOOTER}
    fill("exim.conf", place.root / instance / "exim.conf", {**names, **own})
    certificate = place.root / instance / "tls.pem"
    shutil.copyfile(place.root / "tls" / f"{instance}.pem", certificate)
    log = place.root / instance / "log" / "main"
    log.touch()
    place.log(instance).symlink_to(log)
    for file in (certificate, log):
        os.chown(file, EXIM_USER, EXIM_USER)
    # Its own copy, where its user gets to, and without the privilege to be root for anybody.
    binary = place.root / "exim" / "exim4"
    shutil.copyfile(UNPACKED / "usr" / "sbin" / "exim4", binary)
    binary.chmod(0o755)


def _users(root: Path) -> None:
    """The machine's users and groups, and Exim's."""
    for name, line in (
        ("passwd", f"Debian-exim:x:{EXIM_USER}:{EXIM_USER}::/nonexistent:/usr/sbin/nologin"),
        ("group", f"Debian-exim:x:{EXIM_USER}:"),
    ):
        lines = Path("/etc", name).read_text().splitlines()
        others = [one for one in lines if not one.startswith("Debian-exim:")]
        (root / name).write_text("\n".join([*others, line, ""]))


def _certificates(place: Layout) -> str:
    """One PEM (key, chain) for each server; returns the MX's TLSA 3 1 1 (RFC 6698 §2.1)."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(place.ca_file)
    leaves = {}
    for name, host in (
        ("out", layout.OUT_HOST),
        ("mx", layout.MX_HOST),
        ("imap", layout.IMAP_HOST),
        ("exim", layout.EXIM_HOST),
        ("skewed", layout.SKEWED_HOST),
    ):
        leaves[name] = leaf = authority.issue_cert(host)
        leaf.private_key_and_cert_chain_pem.write_to_path(place.root / "tls" / f"{name}.pem")
    certificate = x509.load_pem_x509_certificate(leaves["mx"].cert_chain_pems[0].bytes())
    public_key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public_key).hexdigest()


def _dkim_key(target: Path) -> str:
    """Write opendkim's private key; returns the TXT rdata that publishes it (RFC 6376 §3.6.1)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    target.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    shutil.chown(target, "opendkim")
    target.chmod(0o600)
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode("ascii")
    pieces = (record[at : at + TXT_STRING] for at in range(0, len(record), TXT_STRING))
    return " ".join(f'"{piece}"' for piece in pieces)
