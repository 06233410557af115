"""Where the chain's parts live: its names, addresses and credentials, the same on every machine.

    client -> Postfix "out" (SASL, opendkim, DANE) -> Postfix "mx" (postgrey, rspamd)
           -> Dovecot LMTP + Sieve -> IMAP;        Knot (signed zones) -> unbound

Every address is on the loopback interface of the chain's own network namespace. They are
documentation addresses (RFC 5737) because rspamd and postgrey treat 127/8 as one of us.
"""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

OUT = ("192.0.2.10", 587)
MX = ("192.0.2.25", 25)
CANARY = "192.0.2.30"
DNS = ("192.0.2.53", 53)
RESOLVER = ("127.0.0.1", 53)
IMAP = ("192.0.2.143", 993)
LMTP = ("192.0.2.143", 24)
ADDRESSES = (OUT[0], MX[0], CANARY, DNS[0], IMAP[0])

OUT_HOST = "out.sender.test"
MX_HOST = "mx.example.test"
IMAP_HOST = "imap.example.test"
CANARY_HOST = "canary.sender.test"

SENDER = "canary@sender.test"
RECIPIENT = "probe@example.test"
PASSWORD = "correct horse"
ZONES = ("sender.test", "example.test", "2.0.192.in-addr.arpa")

PACKAGES = (
    *("postfix", "dovecot-imapd", "dovecot-lmtpd", "dovecot-sieve", "opendkim", "postgrey"),
    *("rspamd", "unbound", "knot", "iproute2", "prometheus"),
)
"""The Debian packages the chain cannot do without."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one chain, all below `root`, a directory every user may enter."""

    root: Path

    @property
    def ca_file(self) -> Path:
        """PEM of the authority that signed every certificate of the chain."""
        return self.root / "tls" / "ca.pem"

    def log(self, daemon: str) -> Path:
        """What a daemon wrote: `out` and `mx` are the Postfix instances' mail logs."""
        return self.root / "log" / daemon

    def pid_file(self, daemon: str) -> Path:
        """A process id, as it is inside the chain's pid namespace."""
        return self.root / "pid" / daemon

    def postfix(self, instance: str) -> Path:
        """The configuration directory of `out` or `mx`, for `postfix -c`."""
        return self.root / instance
