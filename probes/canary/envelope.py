"""A canary's envelope: its own sender address, and its DSN request."""

import re
from dataclasses import dataclass
from typing import Literal

from probes.options import EmailAddress
from probes.records.xtext import original_recipient

_MAX_LOCAL_PART = 64  # octets, RFC 5321 §4.5.3.1.1
_TAGGED = re.compile(r"[+=-](mailcanary-(?:[a-z0-9]{1,16}-)?[a-z2-7]{26})(?=[@=])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DsnRequest:
    """The DSN parameters for a server that offers DSN, RFC 3461 §4.

    `envid` (§4.4, not yet in xtext) comes back in every report about the message, even if all else
    is lost. `orcpt` (§4.2, as sent) is the recipient as we wrote it, None if it is too long. `ret`
    (§4.3) is the part of the message to return, `notify` (§4.1) the events to report.
    """

    envid: str
    orcpt: str | None
    ret: Literal["FULL", "HDRS"] = "HDRS"
    notify: str = "FAILURE,DELAY"


def dsn_request(token: str, rcpt_to: str) -> DsnRequest:
    """The DSN request of one canary: reports name its token and return its header, not its body."""
    return DsnRequest(token, original_recipient(rcpt_to))


def tagged_sender(mail_from: EmailAddress, token: str) -> EmailAddress:
    """The envelope sender of one canary: `user+TOKEN@domain`, by which its bounces are recognised.

    The mailbox has to take mail for tagged addresses. An existing tag stays before ours, as servers
    treat everything from the first plus sign on as the tag. Raises ValueError if the local part
    would exceed 64 octets, or if it is quoted and so cannot have a tag.
    """
    local_part, _, domain = mail_from.rpartition("@")
    tagged = f"{local_part}+{token}"
    if local_part.startswith('"'):
        raise ValueError(f"a quoted local part cannot have a tag: {mail_from}")
    if len(tagged.encode("utf-8")) > _MAX_LOCAL_PART:
        raise ValueError(f"the local part of {mail_from} is too long to have a tag")
    return EmailAddress(f"{tagged}@{domain}")


def tags_in(text: str) -> tuple[str, ...]:
    """The tokens in tagged addresses of `text`, also in addresses that a forwarder rewrote."""
    return tuple(match[1].lower() for match in _TAGGED.finditer(text))
