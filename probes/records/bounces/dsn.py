"""Delivery status notifications, RFC 3464 (and RFC 6533), and bounces in any other form.

A report is a multipart/report (RFC 6522) of three parts. The first is text for people. The second
is message/delivery-status or message/global-delivery-status. The third is the returned message or
its header. Some relays leave a part out, mislabel it or put it elsewhere.
"""

import re
from dataclasses import replace

from probes.records.bounces.delivery_status import (
    ABOUT_RECIPIENT,
    MAX_RECIPIENTS,
    address_of,
    bare_address,
    field_groups,
    message_fields,
    most_telling,
    mta_name,
    read_date,
    read_recipient,
    recipient_groups,
    shown,
)
from probes.records.bounces.reason import BounceReason, judge_explanation, judge_reason
from probes.records.bounces.reply import QuotedReply, printable_line
from probes.records.bounces.returned import split_returned
from probes.records.bounces.text import (
    Sender,
    TextRecipient,
    is_bounce_text,
    is_delay,
    is_mail_system,
    is_opening,
    recipients_in,
    reporting_site,
)
from probes.records.bounces.values import Action, Bounce, BouncedRecipient
from probes.records.mime_parts import Header, Part, decode_words, read_parts, split_header
from probes.records.reply import EnhancedCode

_MAX_STATUS = 1024 * 1024
_MAX_EXPLANATION = 64 * 1024
_MAX_OPENING = 2000

_STATUS_PARTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED_PARTS = frozenset(
    {
        "message/rfc822",
        "message/global",  # RFC 6532 §3.7
        "message/global-headers",  # RFC 6533 §6
        "message/partial",
        "text/rfc822-headers",  # RFC 6522 §4
        "message/rfc822-headers",
    }
)
_DISPOSITION_PARTS = frozenset(  # RFC 8098
    {"message/disposition-notification", "message/global-disposition-notification"}
)
_REJECTION = re.compile(r"\bwas (?:automatically )?rejected\b", re.IGNORECASE)
_BY_A_PERSON = re.compile(r"^Disposition[ \t]*:[ \t]*manual-action", re.IGNORECASE | re.MULTILINE)
"""A receipt that a person's program sent: the message had arrived, RFC 8098."""
_OTHER_REPORTS = _DISPOSITION_PARTS | frozenset(
    {
        "message/feedback-report",  # RFC 5965
        "application/tlsrpt+gzip",  # RFC 8460 §5.3
        "application/tlsrpt+json",
        "message/tracking-status",  # RFC 3886
    }
)
_INLINE_STATUS = re.compile(r"^(?:Final|Original)-Recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_INLINE_ACTION = re.compile(r"^(?:Action|Status)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_STATUS_START = re.compile(
    r"^(?:Reporting-MTA|Final-Recipient|Original-Recipient|Action)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_NULL_PATH = re.compile(r"\s*+(?:<\s*+>)?\s*\Z")
_ANSWER_SUBJECT = re.compile(
    r"\s*(?:re|fwd?|aw|wg|sv|vs|tr)(?:\[\d+\])?\s*:"
    r"|\s*\[?auto(?:matic|mated|matische)?[ -]?(?:re(?:ply|spon)|antwort)|\s*auto\s*:"
    r"|.{0,40}(?:out of (?:the )?office|\bvacation\b|\bon holiday)"
    r"|\s*(?:abwesen|r[ée]ponse automatique|respuesta autom)",
    re.IGNORECASE,
)
_ANSWER_FIELDS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-vacation")
_LIST_FIELDS = ("list-id", "list-post", "list-unsubscribe", "x-mailman-version")


def parse_dsn(message: bytes) -> Bounce | None:
    """Read a bounce; None for any other message.

    Any bytes are accepted; the first 16 MiB are read. These are not bounces: automatic answers
    (RFC 3834), read receipts (RFC 8098), complaints (RFC 5965), TLS and DMARC reports, and mail
    from people. A notice of delay, of relaying or of delivery is a Bounce with that action.
    """
    parts = read_parts(message)
    status = [part for part in parts if part.media_type in _STATUS_PARTS]
    if not status and _is_other_report(parts) and not _rejects(parts):
        return None
    status = status or [part for part in parts if part.media_type in _DISPOSITION_PARTS]
    explanation, returned = _texts(parts)
    groups = field_groups("\n\n".join(_status_text(part) for part in status))
    is_report = any(ABOUT_RECIPIENT.intersection(group) for group in groups)
    if is_report:
        return _report(parts[0].header, groups, explanation, returned)
    return _free_text(parts[0], explanation, returned)


def _report(
    header: Header, groups: list[dict[str, str]], explanation: str, returned: bytes
) -> Bounce:
    """Read a machine-readable report; its text supplies values that its fields lack."""
    about = recipient_groups([group for group in groups if ABOUT_RECIPIENT.intersection(group)])
    recipients = [read_recipient(group) for group in about[:MAX_RECIPIENTS]]
    is_late = is_delay(explanation, decode_words(header.get("subject")))
    named = tuple(one.recipient for one in recipients if one.recipient is not None)
    said = {one.address: one.reply for one in recipients_in(explanation, named=named)}
    completed = [_completed(one, said, is_late=is_late) for one in recipients]
    if len(completed) == 1:
        completed = [_judged_by_text(completed[0], explanation)]
    if len(completed) == 1 and completed[0].recipient is None:
        completed = [replace(completed[0], recipient=_only_recipient(header, returned))]
    message = message_fields(groups)
    return Bounce(
        tuple(completed),
        is_report=True,
        reporting_mta=mta_name(message.get("reporting-mta")) or reporting_site(explanation),
        received_from_mta=mta_name(message.get("received-from-mta")),
        arrived_at=read_date(message.get("arrival-date")),
        envid=shown(message.get("original-envelope-id")),
        original_message_id=_message_id(message, returned),
        returned=returned,
        explanation=explanation,
    )


def _free_text(top: Part, explanation: str, returned: bytes) -> Bounce | None:
    """Read a bounce in prose, or with RFC 3464 fields that were turned into plain text."""
    header = top.header
    sender = _sender(header)
    has_subject_of_an_answer = _ANSWER_SUBJECT.match(sender.subject) is not None
    is_passed_on = is_mail_system(sender.author) and is_opening(explanation)
    if _is_answer(header) or (_is_from_list(header) and not is_passed_on):
        return None
    if has_subject_of_an_answer and not (sender.has_null_return_path or is_passed_on):
        return None
    is_certain = is_bounce_text(explanation, sender, has_returned=bool(returned))
    if not is_certain and not _claims_report(top):
        return None
    if _INLINE_STATUS.search(explanation) and _INLINE_ACTION.search(explanation):
        start = _STATUS_START.search(explanation)
        at = start.start() if start is not None else 0
        return _report(header, field_groups(explanation[at:]), explanation[:at], returned)
    failed = Action.FAILED if is_certain else None
    action = Action.DELAYED if is_delay(explanation, sender.subject) else failed
    told = [_of_text(one, action) for one in _told(header, sender, explanation, returned)]
    return Bounce(
        tuple(_judged_by_text(one, explanation) if len(told) == 1 else one for one in told),
        is_report=False,
        reporting_mta=reporting_site(explanation),
        original_message_id=_message_id({}, returned),
        returned=returned,
        explanation=explanation,
    )


def _told(
    header: Header, sender: Sender, explanation: str, returned: bytes
) -> tuple[TextRecipient, ...]:
    """The recipients in the text; a single one without an address if none is named."""
    to = address_of(header.get("to")) or ""
    found = recipients_in(explanation, named=sender.failed_recipients, sender=to)
    only = _only_recipient(header, returned)
    is_about_sender = only is not None and [one.address.lower() for one in found] == [to.lower()]
    if found and not is_about_sender:
        return found
    return recipients_in(explanation, named=("" if only is None else only,))


def _of_text(one: TextRecipient, action: Action | None) -> BouncedRecipient:
    quoted = one.reply
    return BouncedRecipient(
        one.address or None,
        action=action,
        status=quoted.enhanced,
        reply=quoted.text or None,
        reply_code=quoted.code,
        remote_mta=quoted.remote,
        reason=judge_reason(quoted.text, said=quoted.enhanced, status=None, code=quoted.code),
    )


def _judged_by_text(one: BouncedRecipient, explanation: str) -> BouncedRecipient:
    """The recipient with a reason from the prose, if codes and reply give none."""
    if one.reason is not BounceReason.UNKNOWN or one.reply_code is not None:
        return one
    return replace(one, reason=judge_explanation(explanation))


def _is_other_report(parts: tuple[Part, ...]) -> bool:
    """True for a report about something other than delivery, RFC 6522 §3."""
    about = parts[0].parameters.get("report-type", "delivery-status").lower()
    if parts[0].media_type == "multipart/report" and about != "delivery-status":
        return True
    return any(part.media_type in _OTHER_REPORTS for part in parts)


def _rejects(parts: tuple[Part, ...]) -> bool:
    """True for a receipt that rejects the message, as Dovecot and Sieve (RFC 5429 §2.1) send it."""
    receipts = [_status_text(part) for part in parts if part.media_type in _DISPOSITION_PARTS]
    is_receipt = bool(receipts) and not any(_BY_A_PERSON.search(text) for text in receipts)
    texts = [part.text() for part in parts if is_receipt and part.is_text][:1]
    return any(_REJECTION.search(text[:_MAX_OPENING]) for text in texts)


def _claims_report(top: Part) -> bool:
    """True if the Content-Type announces a delivery report; some lack the machine-readable part."""
    about = top.parameters.get("report-type", "").lower()
    return top.media_type == "multipart/report" and about == "delivery-status"


def _texts(parts: tuple[Part, ...]) -> tuple[str, bytes]:
    """The explanation and the returned message."""
    returned = next((part.content() for part in parts if part.media_type in _RETURNED_PARTS), b"")
    texts = [part for part in parts if part.is_text and (part.body or part.depth == 0)]
    plain = [part for part in texts if part.media_type != "text/html"]
    explanation = ""
    for part in (plain or texts)[:3]:
        said, rest = split_returned(part.text())
        explanation += said + "\n\n"
        if rest.strip():
            returned = returned or rest.lstrip().encode("utf-8", "replace")
            break
    return _for_people(explanation)[:_MAX_EXPLANATION], returned


def _for_people(text: str) -> str:
    """The text without quoted lines, control characters written as escapes.

    `>>>` does not begin a quoted line: Sendmail marks the commands that it sent this way.
    """
    lines = [line for line in text.split("\n") if line[:1] != ">" or line[:2] == ">>"]
    return "\n".join(map(printable_line, lines)).strip()


def _status_text(part: Part) -> str:
    return part.content()[:_MAX_STATUS].decode("utf-8", "replace").replace("\r\n", "\n")


def _sender(header: Header) -> Sender:
    paths = header.all("return-path")
    failed = ",".join(header.all("x-failed-recipients"))[:_MAX_EXPLANATION]
    named = [bare_address(address) for address in failed.split(",")]
    is_null = bool(paths) and _NULL_PATH.match(paths[0]) is not None
    # a list sends from its bounces address: it is no daemon for that
    named_paths = [] if is_null else [path for path in paths[:1] if "bounce" not in path.lower()]
    author = " ".join((header.get("from"), header.get("sender"), *named_paths))
    return Sender(
        subject=decode_words(header.get("subject"))[:1000].lower(),
        author=decode_words(author)[:1000].lower(),
        has_null_return_path=is_null,
        failed_recipients=tuple(address for address in named if "@" in address),
    )


def _is_answer(header: Header) -> bool:
    """True for an automatic answer by its header fields, RFC 3834 §5."""
    submitted = header.get("auto-submitted").lower()
    if submitted.startswith("auto-replied") and ("vacation" in submitted or "away" in submitted):
        return True
    if "auto_reply" in header.get("precedence").lower():
        return True
    return any(header.get(name) for name in _ANSWER_FIELDS)


def _is_from_list(header: Header) -> bool:
    """True for mail of a list, RFC 2919; some lists pass bounces on."""
    return any(header.get(name) for name in _LIST_FIELDS)


def _only_recipient(header: Header, returned: bytes) -> str | None:
    """The one X-Failed-Recipients address, else the one in the returned header; else None."""
    named = _sender(header).failed_recipients
    if len(named) == 1:
        return named[0]
    fields, _ = split_header(returned.lstrip()[:_MAX_EXPLANATION])
    for name in ("x-original-to", "delivered-to", "to"):
        value = fields.get(name)
        if value.count("@") == 1:
            return address_of(value)
    return None


def _message_id(message: dict[str, str], returned: bytes) -> str | None:
    said = message.get("x-original-message-id")
    if said is None:
        fields, _ = split_header(returned.lstrip()[:_MAX_EXPLANATION])
        said = fields.get("message-id")
    return shown(said[:1000])


def _completed(
    one: BouncedRecipient, said: dict[str, QuotedReply], *, is_late: bool
) -> BouncedRecipient:
    """The recipient completed with reply and action, if the fields lack them.

    The reply comes from the text. A missing action follows from the class of the status: class 4
    without a word of delay is a delivery that was given up.
    """
    action = one.action
    if action is None and one.status is not None:
        failed = Action.DELAYED if one.status[0] == 4 and is_late else Action.FAILED
        action = Action.DELIVERED if one.status[0] == 2 else failed
    elif action is None:
        action = Action.DELAYED if is_late else Action.FAILED
    if action not in (Action.FAILED, Action.DELAYED):
        return replace(one, action=action, reason=None)
    quoted = said.get(one.recipient or "")
    if quoted is not None and _contradicts(quoted, one.status):
        quoted = None
    if one.reply is not None or quoted is None:
        return replace(one, action=action)
    return replace(_with_reply(one, quoted), action=action)


def _contradicts(quoted: QuotedReply, status: EnhancedCode | None) -> bool:
    """True if a code in the prose is another than the Status, which says something itself."""
    is_telling = status is not None and status[1:] != (0, 0)
    return is_telling and quoted.enhanced not in (None, status)


def _with_reply(one: BouncedRecipient, quoted: QuotedReply) -> BouncedRecipient:
    return replace(
        one,
        reply=quoted.text or None,
        reply_code=quoted.code,
        status=most_telling(one.status, quoted.enhanced),
        remote_mta=one.remote_mta or quoted.remote,
        reason=judge_reason(quoted.text, said=quoted.enhanced, status=one.status, code=quoted.code),
    )
