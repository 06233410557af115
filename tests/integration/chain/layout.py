"""Where the chain's parts live: its names, addresses and credentials, the same on every machine.

    client -> Postfix "out" (SASL, opendkim, DANE) -> Postfix "mx" (postgrey, rspamd)
           -> Dovecot LMTP + Sieve -> IMAP;        Knot (signed zones) -> unbound

Mail to some addresses (ROUNDABOUT) goes from "out" to "mx" by way of an Exim: "exim", which adds a
footer to some of it and sends some of it twice, or "skewed", whose clock is ahead.

A second Knot serves other copies of some zones. A firewall refuses TCP to one of its addresses, and
lets nothing through to the SMTP port of SILENT.

Every address is on the loopback interface of the chain's own network namespace. They are
documentation addresses (RFC 5737) because rspamd and postgrey treat 127/8 as one of us.
"""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

OUT = ("192.0.2.10", 587)
MX = ("192.0.2.25", 25)
CANARY = "192.0.2.30"
EXIM = ("192.0.2.40", 25)
SKEWED = ("192.0.2.41", 25)
DNS = ("192.0.2.53", 53)
SECOND_DNS = ("192.0.2.54", 53)
UDP_DNS = ("192.0.2.55", 53)
SILENT = ("192.0.2.66", 25)
RESOLVER = ("127.0.0.1", 53)
IMAP = ("192.0.2.143", 993)
LMTP = ("192.0.2.143", 24)
ADDRESSES = (
    *(OUT[0], MX[0], CANARY, DNS[0], IMAP[0], EXIM[0], SKEWED[0]),
    *(SECOND_DNS[0], UDP_DNS[0], SILENT[0]),
)

OUT_HOST = "out.sender.test"
MX_HOST = "mx.example.test"
IMAP_HOST = "imap.example.test"
EXIM_HOST = "relay.sender.test"
SKEWED_HOST = "skewed.sender.test"
CANARY_HOST = "canary.sender.test"

SENDER = "canary@sender.test"
RECIPIENT = "probe@example.test"
PASSWORD = "correct horse"
BY_EXIM = "probe+exim@example.test"
FOOTED = "probe+footer@example.test"
TWICE = "probe+twice@example.test"
BY_SKEWED = "probe+skewed@example.test"
ROUNDABOUT = {BY_EXIM: EXIM, FOOTED: EXIM, TWICE: EXIM, BY_SKEWED: SKEWED}
"""Recipient -> the relay its mail takes on its way to `mx`."""
FOOTER = "This footer was added on the way."
AHEAD = 120
"""Seconds by which the clock of `skewed` is ahead."""
ZONES = ("sender.test", "example.test", "2.0.192.in-addr.arpa")
"""Those that Knot signs."""
EXPIRED, FORGED = "expired.test", "forged.test"
BROKEN_ZONES = (EXPIRED, FORGED)
"""Those whose signatures are over, and do not fit."""
UNSIGNED_ZONES = ("pair.test", "lame.test", "udp.test", "bl.test")
"""Those of which the second Knot says something else, is not told, or is not heard over TCP; a
block list."""
SECOND_ZONES = ("pair.test", "udp.test")

PACKAGES = (
    *("postfix", "dovecot-imapd", "dovecot-lmtpd", "dovecot-sieve", "opendkim", "postgrey"),
    *("rspamd", "unbound", "knot", "iproute2", "prometheus", "exim4-daemon-light", "libidn12"),
    *("libgnutls-dane0", "faketime", "nftables", "bind9-dnsutils", "openssl"),
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
