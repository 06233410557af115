"""The fields of message/delivery-status, RFC 3464 §2, and message/global-delivery-status, RFC 6533.

Accepts the forms that relays write: too many or too few empty lines, missing types, comments,
addresses in angle brackets, replies over several lines that are not indented.
"""

import re
from datetime import datetime

from probes.records.bounces.reason import judge_reason
from probes.records.bounces.reply import one_line, read_quoted
from probes.records.bounces.values import Action, BouncedRecipient
from probes.records.header_date import parse_header_date
from probes.records.reply import EnhancedCode
from probes.records.xtext import decode_utf8_address, undo_xtext

MAX_RECIPIENTS = 1000
_MAX_VALUE = 4000

ABOUT_RECIPIENT = frozenset(
    (
        "final-recipient",
        "original-recipient",
        "action",
        "status",
        "diagnostic-code",
        "remote-mta",
    )
)
"""Fields that mark a group as one about a recipient."""

_NAMES_SOMEBODY = frozenset(("final-recipient", "original-recipient", "x-actual-recipient"))
_ABOUT_MESSAGE = frozenset(("reporting-mta", "arrival-date", "received-from-mta"))
_ONE_A_RECIPIENT = ("final-recipient", "original-recipient", "action")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:(?!//)[ \t]*(.*)", re.DOTALL)
_TYPED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9_./-]{0,40})\s*;\s*(.*)", re.DOTALL)
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_BRACKETED = re.compile(r"<([^<>]{1,1000})>")
_PREFIX = re.compile(r"(?:(?:rfc/?822|smtp|mailto)[;:]\s*)+", re.IGNORECASE)
_COMMENT = re.compile(r"\s\([^()]{0,1000}\)\s*\Z")
_QUOTED_LOCAL = re.compile(r'"(?:[^"\\]|\\.){1,200}"@[^\s@"<>]{1,255}')
_ROUTE = re.compile(r"@[^\s:@]{1,255}:(?=[^:]{1,320}\Z)")
"""A source route before the address, RFC 5321 appendix C."""


def field_groups(text: str) -> list[dict[str, str]]:
    """Groups of fields, RFC 3464 §2.1: one about the message, one for each recipient.

    A group ends at an empty line. It also ends where a recipient's field comes a second time,
    because some relays leave the empty line out. Of any other repeated field the first counts. A
    line that is no field continues the line before it: some relays do not indent a reply of several
    lines.
    """
    groups: list[dict[str, list[str]]] = [{}]
    last: list[str] = []
    for line in text.split("\n"):
        match = _FIELD.match(line)
        if not line.strip():
            groups, last = _next_group(groups), []
        elif match is None or line[0] in " \t":
            last.append(line.strip())
        else:
            name = match[1].lower()
            if name in groups[-1] and name in _ONE_A_RECIPIENT:
                groups = _next_group(groups)
            last = [match[2].strip()]
            groups[-1].setdefault(name, last)
    return [_values(group) for group in groups if group]


def _next_group(groups: list[dict[str, list[str]]]) -> list[dict[str, list[str]]]:
    if groups[-1] and len(groups) <= MAX_RECIPIENTS:
        groups.append({})
    return groups


def _values(group: dict[str, list[str]]) -> dict[str, str]:
    return {name: "\n".join(lines)[:_MAX_VALUE] for name, lines in group.items()}


def recipient_groups(groups: list[dict[str, str]]) -> list[dict[str, str]]:
    """Recipient groups, with those joined that an extra empty line separates."""
    joined: list[dict[str, str]] = []
    are_named = [group for group in groups if _NAMES_SOMEBODY.intersection(group)]
    for group in groups:
        names_somebody = bool(_NAMES_SOMEBODY.intersection(group))
        if are_named and not names_somebody and _ABOUT_MESSAGE.intersection(group):
            continue  # fields of a recipient among those of the message
        if joined and not names_somebody and not joined[-1].keys() & group.keys():
            joined[-1] = joined[-1] | group
        else:
            joined.append(group)
    return joined


def message_fields(groups: list[dict[str, str]]) -> dict[str, str]:
    """The fields about the message; some relays write them into a recipient's group."""
    values: dict[str, str] = {}
    for group in groups:
        for name, value in group.items():
            values.setdefault(name, value)
    return values


def read_recipient(group: dict[str, str]) -> BouncedRecipient:
    """Read the fields of one recipient, RFC 3464 §2.3."""
    final_type, final = _typed_address(group.get("final-recipient", ""))
    original_type, original = _typed_address(group.get("original-recipient", ""))
    if original is None:
        original_type, original = _typed_address(group.get("x-actual-recipient", ""))
        original = original if final is None or _is_program(final_type, final) else None
    if final is not None and original is not None and _is_program(final_type, final):
        final = None
    kind, diagnostic = _typed(group.get("diagnostic-code", ""))
    quoted = read_quoted(diagnostic or group.get("x-supplementary-info", "").strip("<> "))
    status = _status(group.get("status", ""))
    return BouncedRecipient(
        recipient=final or original,
        original_recipient=original,
        address_type=final_type if final else original_type,
        action=_action(group.get("action", "")),
        status=most_telling(status, quoted.enhanced),
        reply=quoted.text or None,
        reply_code=quoted.code,
        diagnostic_type=kind,
        remote_mta=mta_name(group.get("remote-mta")) or quoted.remote,
        last_attempt_at=read_date(group.get("last-attempt-date")),
        retried_until=read_date(group.get("will-retry-until")),
        reason=judge_reason(quoted.text, said=quoted.enhanced, status=status, code=quoted.code),
    )


def _typed(value: str) -> tuple[str | None, str]:
    """Split `type; text`, RFC 3464 §2.1.2; the type in lower case, None if it is left out."""
    match = _TYPED.match(value)
    return (match[1].lower(), match[2].strip()) if match is not None else (None, value.strip())


def _typed_address(value: str) -> tuple[str | None, str | None]:
    kind, text = _typed(value)
    if kind == "utf-8":
        text = decode_utf8_address(text)
    if kind is None or kind in ("rfc822", "utf-8"):
        text = bare_address(undo_xtext(text))
    return kind, shown(text)


def _is_program(kind: str | None, address: str) -> bool:
    """True for a pipe or a file behind an alias: the alias is the recipient."""
    return kind != "x400" and "@" not in address and address.lstrip('"')[:1] in ("|", "/")


def bare_address(text: str) -> str:
    """The address without angle brackets, display name and prefix."""
    text = _PREFIX.sub("", text.strip(), count=1)
    bare = _COMMENT.sub("", text) or text
    match = next((one for one in _BRACKETED.finditer(bare) if "@" in one[1]), None)
    inner = (match[1] if match is not None else bare).strip(" \t\r\n<>;,")
    if match is None and inner.startswith('"') and "; " in inner:
        inner = inner.rpartition("; ")[2]
    if _QUOTED_LOCAL.fullmatch(inner) is not None:
        return inner
    return _ROUTE.sub("", _PREFIX.sub("", inner.strip(" \t\r\n<>\"'"), count=1))


def address_of(value: str) -> str | None:
    """The address in a To field; None if there is none."""
    text = bare_address(value[:_MAX_VALUE])
    return one_line(text) if "@" in text else None


_ACTIONS = {"failure": "failed", "fail": "failed", "expired": "failed", "delay": "delayed"}
"""Words that some relays write instead of those of RFC 3464 §2.3.3."""


def _action(value: str) -> Action | None:
    match = re.match(r"[a-z]*", value.strip().lower())
    word = match[0] if match is not None else ""
    try:
        return Action(_ACTIONS.get(word, word))
    except ValueError:
        return None


def _status(value: str) -> EnhancedCode | None:
    """The status code, RFC 3464 §2.3.4; a comment may follow it."""
    match = _STATUS.search(value)
    return (int(match[1]), int(match[2]), int(match[3])) if match is not None else None


def most_telling(status: EnhancedCode | None, said: EnhancedCode | None) -> EnhancedCode | None:
    """The report's status; the reply's code if the status is missing or says less.

    A status X.0.0 says less than a reply's code of the same class.
    """
    if status is None:
        return said
    is_empty = status[1:] == (0, 0)
    return said if is_empty and said is not None and said[0] == status[0] else status


def mta_name(value: str | None) -> str | None:
    """The name in an MTA field, RFC 3464 §2.2.2: `dns; NAME`, without comments and final dot."""
    if value is None:
        return None
    _, text = _typed(value)
    name = one_line(re.split(r"[(\n]|\s\[", text, maxsplit=1)[0])
    return name.rstrip(".") or None


def shown(value: str | None) -> str | None:
    """A value for people on one line; None for an empty one."""
    return (one_line(value) or None) if value is not None else None


def read_date(value: str | None) -> datetime | None:
    """Read a date, RFC 5322 §3.3; without a zone it counts as UTC."""
    found = parse_header_date(value) if value is not None else None
    return found.at if found is not None else None
