"""One reason for the end of a run, and the texts and commands of its phases."""

from collections.abc import Mapping
from dataclasses import dataclass

from probes.catalogue.command_lines import DIG_ADDRESSES, FINGER, S_CLIENT, SWAKS_EHLO, SWAKS_RCPT
from probes.result import Phase, Reason

STEPS: Mapping[Phase, str] = {
    Phase.DNS_MX: "the look-up of the MX records",
    Phase.DNS_ADDRESS: "the look-up of addresses",
    Phase.CONNECT: "the connection",
    Phase.TLS: "the TLS handshake",
    Phase.GREETING: "the greeting",
    Phase.EHLO: "EHLO",
    Phase.STARTTLS: "STARTTLS",
    Phase.AUTH: "the login",
    Phase.SELECT: "the opening of the folder",
    Phase.SEARCH: "the search in the folder",
    Phase.MAIL: "MAIL",
    Phase.RCPT: "RCPT",
    Phase.DATA: "DATA",
    Phase.END_OF_DATA: "the end of the message",
    Phase.QUIT: "QUIT",
    Phase.TRANSIT: "the way to the mailbox",
    Phase.ARRIVAL: "the arrival in the mailbox",
    Phase.FETCH: "the fetching of messages",
    Phase.HTTPS: "the HTTPS request",
    Phase.EVALUATE: "the evaluation",
}
"""Words for the action of each phase, used in the texts."""

DIALOGUE = (
    *(Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL, Phase.RCPT),
    *(Phase.DATA, Phase.END_OF_DATA, Phase.QUIT, Phase.SELECT, Phase.SEARCH, Phase.FETCH),
)
DNS = (Phase.DNS_MX, Phase.DNS_ADDRESS)
LOOKUPS = (*DNS, Phase.EVALUATE)
WIRE = (*DIALOGUE, Phase.TLS, Phase.HTTPS)

VERIFY: Mapping[Phase, str] = {
    Phase.DNS_MX: "dig @{resolver} MX {domain}",
    Phase.DNS_ADDRESS: DIG_ADDRESSES,
    Phase.EVALUATE: "dig @{resolver} TXT {name}",
    Phase.CONNECT: SWAKS_EHLO,
    Phase.GREETING: SWAKS_EHLO,
    Phase.EHLO: SWAKS_EHLO,
    Phase.STARTTLS: f"{S_CLIENT}\n{FINGER}",
    Phase.TLS: f"{S_CLIENT}\n{FINGER}",
    Phase.MAIL: SWAKS_RCPT,
    Phase.RCPT: SWAKS_RCPT,
    Phase.QUIT: SWAKS_EHLO,
    Phase.HTTPS: "curl -v https://{host}/.well-known/mta-sts.txt",
}
"""Commands to reproduce the result of each phase."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One reason in the phases in which it means the same; `verify` None: as the phase has it."""

    reason: Reason
    phases: tuple[Phase, ...]
    summary: str
    why: str
    remedy: str
    reference: str = ""
    verify: str | None = None
