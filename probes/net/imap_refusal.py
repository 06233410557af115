"""The meaning of an IMAP refusal, by its response code (RFC 5530) and its words. Pure tables."""

import re

from probes.records.imap.responses import Condition, Continuation, Status
from probes.result import Owner

PASSING = frozenset({"UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT"})
"""Response codes of RFC 5530 §3 that are about the server's present state, not the command."""

_OF_THE_SERVER = PASSING | {"CORRUPTION", "CONTACTADMIN", "OVERQUOTA"}
_OF_THE_CONFIGURATION = frozenset(
    {"NONEXISTENT", "NOPERM", "AUTHORIZATIONFAILED", "AUTHENTICATIONFAILED", "EXPIRED"}
)
_ABOUT_CREDENTIALS = frozenset(
    {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", *_OF_THE_SERVER}
)
_CREDENTIALS = re.compile(
    r"credential|passw|authenticat\w+ fail|login fail|(?:invalid|unknown|bad) user|denied|lock|"
    r"disabled|too many",
    re.IGNORECASE,
)
_MECHANISM = re.compile(
    r"mechanism|not support|unsupported|not implemented|unknown command|unrecogni|not available|"
    r"syntax",
    re.IGNORECASE,
)
_WANTS_ID = re.compile(r"unsafe login|\bID\b|identif", re.IGNORECASE)
_NO_FOLDER = re.compile(
    r"(?:does(?: not|n't)|not) exist|no such|not found|unknown (?:mailbox|folder)|nonexist|"
    r"(?:invalid|bad) (?:mailbox|folder)",
    re.IGNORECASE,
)


def owner_of_refusal(answer: Status | Continuation) -> Owner | None:
    """Return the owner that a response code names; None where there is none that does."""
    code = _code(answer)
    if code in _OF_THE_SERVER:
        return Owner.RECEIVER_MAILBOX
    return Owner.CONFIGURATION if code in _OF_THE_CONFIGURATION else None


def is_not_understood(answer: Status | Continuation) -> bool:
    """True if the server did not understand a way to log in: it has not judged the password.

    RFC 3501 §6.2.2: BAD is for the command, NO for the credentials or the mechanism. Words and
    response codes decide where a server mixes them up.
    """
    if isinstance(answer, Continuation):
        return False
    code = _code(answer)
    if code in _ABOUT_CREDENTIALS or _CREDENTIALS.search(answer.text):
        return False
    if answer.condition is Condition.BAD or code == "CANNOT":
        return True
    return answer.condition is Condition.NO and _MECHANISM.search(answer.text) is not None


def wants_id(answer: Status | Continuation) -> bool:
    """True if a refusal asks for the client's ID (RFC 2971) first, as NetEase's servers do."""
    return isinstance(answer, Status) and _WANTS_ID.search(answer.text) is not None


def says_no_such_folder(answer: Status | Continuation) -> bool:
    """True if a refusal to open a folder says that there is none of that name."""
    if isinstance(answer, Continuation):
        return False
    return _code(answer) in ("NONEXISTENT", "TRYCREATE") or bool(_NO_FOLDER.search(answer.text))


def _code(answer: Status | Continuation) -> str:
    return answer.code.name if isinstance(answer, Status) and answer.code is not None else ""
