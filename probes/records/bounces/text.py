"""Bounces in free text, as servers wrote them before RFC 3464 and some still do.

There is no standard, only common forms. One is an opening that is typical of a server. Another is
the address alone on its line, with the reason under it. A third is a line that announces the
returned message. Each form is a row in a table here.
"""

import re
from dataclasses import dataclass, replace
from itertools import islice

from probes.records.bounces.reply import (
    QuotedReply,
    find_quoted,
    quoted_remote,
    read_quoted,
    unquoted,
)

_MAX_LINES = 2000
_MAX_LINE = 1000
_MAX_RECIPIENTS = 100
_MAX_BLOCK_LINES = 40
_MAX_OPENING = 8000


def _any(*patterns: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    return re.compile("|".join(patterns), flags)


_OPENINGS = _any(
    r"your message to .{1,320} was automatically rejected",
    r"this is the (?:[\w.-]{1,40} )?(?:mail system|program|mail delivery (?:system|agent)) at",
    r"i(?:'m afraid i)? wasn't able to deliver",
    r"this message was created automatically by (?:the )?mail (?:delivery software|system)",
    r"message (?:that )?you (?:have )?sent (?:to .{1,300} )?could not be delivered",
    r"has not yet been delivered to",
    r"permanent fatal (?:delivery )?errors",
    r"transcript of session follows",
    r"unable to deliver (?:your |the )?message to the following",
    r"delivery to the following recipients? (?:has )?(?:failed|been delayed|was aborted)",
    r"delivery has failed to these recipients",
    r"did not reach (?:some or all of )?the (?:intended|following) recipient",
    r"following recipient(?:s|\(s\))? (?:could|can) ?not be reached",
    r"(?:returned|failed) addresses follow",
    r"following address(?:es|\(es\))? (?:has |have )?failed",
    r"message cannot be delivered to the following",
    r"message to the following recipients cannot be delivered",
    r"diagnostic information for administrators",
    r"this is a delivery status notification|automatically generated delivery status notification",
    r"message .{0,300}was undeliverable",
    r"\bfailure reasons\b",
    r"recipients? (?:of your message )?(?:could not|cannot|couldn't) be (?:reached|delivered)",
    r"error has occurred while attempting to deliver a message",
    r"konnten? nicht zugestellt werden|empf.{1,3}nger .{0,40}nicht (?:erreicht|zugestellt)",
    r"nicht an .{0,40}empf.{1,3}nger .{0,30}(?:zugestellt|.bermittelt)",
    r"(?:n'a|n'ont|n'est|impossible) .{0,30}(?:remis|remettre|livr|distribu|d.livr|parven|atteint)",
    r"no (?:se )?(?:pudo|ha podido|ha sido posible|han podido) .{0,10}(?:ser )?entrega",
    r"(?:no ha sido|no fue|no pudo ser) .{0,10}entregad|destinatarios? .{0,20}no .{0,20}alcanza",
    r"non (?:è|e') stat[oa] (?:possibile )?(?:recapita|consegna)|non .{0,30}recapitat",
    r"n(?:ã|a)o (?:p(?:ô|o)de|foi poss(?:í|i)vel|foi) .{0,10}(?:ser )?entreg",
    r"diagnoseinformationen f|informations de diagnostic pour|informaci.n de diagn.stico para",
    r"informazioni di diagnostica per|diagnostische gegevens voor|informa..es de diagn.stico para",
    r"kon(?:den)? niet (?:worden )?(?:bezorgd|afgeleverd)|nie .{0,20}dostarcz|kunde inte levereras",
    r"(?:配信|送信|配送|お届け)できませんでした|(?:配信|送信|配送|配達)(?:に失敗|不能|エラー)",
    r"kunne ikke leveres|не (?:было |может быть |удалось )?доставл|无法(?:投递|送达|传递)|退信",
)
"""Sentences that only mail servers write, in lower case with single spaces."""

_FAILURE = _any(
    r"(?:could|can) ?(?:not|n't) (?:be )?(?:deliver|reach|sent|relay)",
    r"(?:wasn't|couldn't|not) (?:be )?(?:delivered|deliverable)",
    r"undeliver|not accepted|not reach",
    r"unable to (?:deliver|send|relay)",
    r"deliver(?:y|ing)? .{0,60}(?:fail|error|problem|not possible|aborted|unsuccessful)",
    r"fail(?:ed|ure) (?:to |of )?(?:deliver|notice)",
    r"returned (?:to (?:you|sender)|mail)",
    r"(?:message|mail|it) (?:has been |was |is being )?(?:rejected|returned|refused|bounced)",
    r"error .{0,80}(?:deliver|sending)|issued an error",
    r"(?:user|recipient|mailbox|address) (?:is )?(?:unknown|not found|does not exist)",
    r"unknown user|no such user|affected recipients?",
)
_DELAY = _any(
    r"warning(?: message)? only|this is (?:only )?a (?:warning|notification of delay)",
    r"not yet been delivered|(?:has been|is|is being|temporarily) (?:delayed|deferred)",
    r"delayed mail|message delayed|delivery delayed|delay(?:ed)? notif",
    r"status notification \(delay\)",
    r"still (?:being retried|trying|in the queue)",
    r"will (?:be retried|retry|keep trying|continue to (?:try|be)|try again|still try)",
    r"delivery attempts will continue|do not need to resend|no action is required",
    r"could not send (?:message )?for (?:the )?past",
)
_FINAL = _any(
    r"permanent(?:ly)? (?:fatal|failed|failure|error)|failed permanently|permanent delivery fail",
    r"i've given up|giving up",
    r"has been (?:returned|deleted)|no further attempt|will not (?:be )?retr",
)
_SUBJECT = _any(
    r"undeliver|non[- ]?deliver|could ?n[o']t .{0,20}deliver|unzustellbar",
    r"deliver\w* (?:status )?(?:notif\w* )?\W{0,3}(?:fail|problem|error|delay|report|status)",
    r"(?:delivery|mail|message|send\w*|transport|transfer|routing) .{0,40}(?:fail|error|problem)",
    r"(?:delivery|mail|message) .{0,40}delay|delivery status notif",
    r"fail(?:ure|ed) (?:notice|to deliver|delivery|mail)|delivery failed",
    r"returned (?:mail|e-?mail|to sender)|bounce|rejected|user unknown",
    r"(?:message|mail) .{0,60}(?:not delivered|returned|returning|could not)",
    r"warning: .{0,40}(?:send|deliver)",
    r"unzustellbar|zustellung|non (?:distribu|remis|livr)|(?:error|fallo) de entrega|no entregad",
    r"nicht zugestellt|.chec de (?:la )?(?:remise|distribution|livraison)|no se puede entregar",
    r"mancat[oa] (?:recapito|consegna)|falha na entrega|n(?:ã|a)o entregue|niet bezorgd|配信",
)
_DAEMON = _any(
    r"mailer[-_ ]?daemon|mail[-_ ]?daemon|post ?master|\bmdaemon|\bmmdf|mailadm|double-bounce",
    r"mail (?:delivery|administrator|router|server|gateway)|mail(?:er)? ?(?:sub)?system",
    r"bounces?@|system administrator|delivery (?:system|subsystem|agent)",
    r"microsoft ?exchange|\buucp\b|internet mail|\bsmtp\b|courier mail|<>",
)
_LOCAL = r"[^\s<>()\[\],;:\"'@=|][^\s<>()\[\],;:\"@|]{0,63}|\"[^\"\n]{1,62}\""
_DOMAIN = r"[^\s<>()\[\],;:\"'@!?*/\\|{}=]{1,253}[^\s<>()\[\],;:\"'@!?*/\\|{}=.]"
_ADDRESS = rf"(?:{_LOCAL})@{_DOMAIN}"
_AFTER = (
    r"[ \t]*+(?:$|:|<mailto:|\.\.\.|\(|,|;"
    r"|(?<=[ \t])(?:(?:on|am|le|el|il|em|op)[ \t]+(?:\d|[a-z]{3}, \d)|-[ \t]))"
)
_ALONE = re.compile(
    r"[ \t|]{0,40}(?:[*+•-][ \t]{1,8}|\d{1,3}[.)][ \t]{1,8})?(?:"
    rf"<(?:smtp:|rfc822;)?({_ADDRESS})>|\"({_ADDRESS})\"|'({_ADDRESS})'|({_ADDRESS}))"
    rf"{_AFTER}",
    re.IGNORECASE,
)
"""An address at the start of its line, without a sentence behind it."""

_AFTER_A_NAME = re.compile(
    rf"[ \t]{{0,40}}[^\s<>@:()][^<>@:()\n]{{0,80}}[<('\"]{{1,2}}({_ADDRESS})[>)'\"]{{1,2}}"
    r"[ \t]*(?:$|<mailto:)"
    # Exchange: the name, then the type and the address
    rf"|[ \t]{{0,40}}[^\s<>@:()][^<>@:()\n\[]{{0,80}}\[smtp:({_ADDRESS})\]",
    re.IGNORECASE,
)
"""A display name and its address, alone on the line."""

_LABELLED = re.compile(
    r"[ \t|*-]{0,40}(?:the )?(?:(?:final|failed|rejected|invalid|unknown|affected|intended) )?"
    r"(?:(?:message )?recipients?(?:'s)?(?: address)?|addressee|e-?mail(?: address)?|address"
    r"|mailbox|(?:local )?user(?: name)?|user unknown|failed)"
    rf"[ \t]{{0,20}}[:=][ \t]{{0,20}}(?:\[?smtp:|rfc822;)?[ \t]?[<\"'(\[]?({_ADDRESS})",
    re.IGNORECASE,
)
_REMARKED = re.compile(
    r"[ \t]{0,40}(?!from|sender|sent|reply|cc\b|contact|return|to\b|generating|reporting|author"
    r"|original)"
    rf"[a-z][\w' ]{{1,60}}:[ \t]{{0,20}}[<\"'(]?({_ADDRESS})[>\"')]?[ \t]*$",
    re.IGNORECASE,
)
"""A remark and its address: "User mailbox exceeds allowed size: ADDRESS" (IMail)."""

_LABEL = re.compile(
    r"(?:(?<![\w-])[\w-]+ )?(?<![\w-])(?:to|recipients?|address|user|mailbox|failed)\s*[:=]?\Z",
    re.IGNORECASE,
)
_CODE = re.compile(r"\b[45]\d\d\b")
_ANYWHERE = re.compile(rf"(?<![^\s<>()\[\],;:\"'])({_ADDRESS})")
_IN_A_SENTENCE = re.compile(
    r"(?<![\w-])(?:to|for|recipients?|user|address(?:es)?|mailbox|account|addressee|rcpt to|unknown"
    r"|by|bij|an|till|para|pour|destinat(?:ario|aire)|empf(?:ä|ae)nger)(?![\w.+-])"
    rf"[ \t]?:?[ \t]{{0,8}}[<\"'(]?({_ADDRESS})"
    rf"|[<\"'(]?({_ADDRESS})[>\"')]?,? (?:was|is|could|couldn't|can|does|has|wasn't|from)\b",
    re.IGNORECASE,
)
_HELPERS = frozenset(("postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "hostmaster"))
_HELP = re.compile(
    r"\b(?:contact|assistance|questions?|help|postmaster|administrator|write to"
    r"|send (?:e-?)?mail to"
    r"|reply to|complain|mail from:|sender address|kontakt|wenden)\b",
    re.IGNORECASE,
)
"""Words around an address to turn to, or around the sender's."""
_SITE = _any(
    r"(?:mail system|program|agent) at (?:host )?([\w.-]{1,255}?)[.,]?(?:\s|$)",
    r"generating server: ?([\w.-]{1,255})",
    r"status notification from ([\w.-]{1,255}?)[.,]?(?:\s|$)",
)
_REASON_LINE = re.compile(
    r"^[^\n:]{0,60}\b(?:reason|error|because|explanation|diagnosis)\b[^\n:]{0,30}:[ \t]{0,8}"
    r"(?:\n[ \t]*){0,2}(?![^\n]{0,80}\breason:)(\S[^\n]{0,500})",
    re.IGNORECASE | re.MULTILINE,
)
_NAMED_AT_START = re.compile(
    rf"^[^\n]{{0,80}}?[<\"'(]{{0,2}}{_ADDRESS}[>\"')]{{0,2}}(?:<mailto:[^>\n]{{0,320}}>)?"
    r"(?:[ \t]on[ \t][^\n]{0,60}\d\d:\d\d[^\n]{0,20})?"
)


@dataclass(frozen=True, slots=True)
class TextRecipient:
    """An address in an explanation, and the reply that belongs to it."""

    address: str
    reply: QuotedReply


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of a message by its header; decoded, in lower case."""

    subject: str
    author: str
    has_null_return_path: bool
    failed_recipients: tuple[str, ...]


def is_mail_system(author: str) -> bool:
    """True for the name or address of a mail system; `author` is in lower case."""
    return _DAEMON.search(author) is not None


def is_opening(explanation: str) -> bool:
    """True if the text has a sentence that only mail servers write."""
    return _OPENINGS.search(_squeezed(explanation)) is not None


def is_bounce_text(explanation: str, sender: Sender, *, has_returned: bool) -> bool:
    """True if a mail server reports a message that was not delivered.

    No single sign is enough: a person may forward a bounce, a program may mention one. An opening
    that only servers use counts twice, and so do recipients named in the header. These count once:
    words of failure, the returned message, a daemon's name, an empty return path, the subject, a
    reply code. Three are required, some about the text and some about the sender.
    """
    words = _squeezed(explanation)
    told = (
        2 * bool(_OPENINGS.search(words)),
        bool(_FAILURE.search(words) or _DELAY.search(words)),
        2 * bool(sender.failed_recipients),
        has_returned,
    )
    habits = (
        is_mail_system(sender.author),
        sender.has_null_return_path,
        bool(_SUBJECT.search(sender.subject)),
        find_quoted(explanation) is not None,
    )
    has_more = bool(told[0] or told[2]) or has_returned
    # a postmaster writes about failures too, and a shop's letter has an empty return path
    is_of_a_server = has_more or (habits[0] and habits[1]) or (habits[3] and "@" in explanation)
    has_signs = any(told) and any(habits) and sum(told) + sum(habits) >= 3
    return has_signs and (is_of_a_server or (habits[0] and "@" in explanation))


def is_delay(explanation: str, subject: str) -> bool:
    """True if the text reports that delivery is still being tried."""
    words = _squeezed(f"{subject.lower()} {explanation}")
    return _DELAY.search(words) is not None and _FINAL.search(words) is None


def recipients_in(
    explanation: str, *, named: tuple[str, ...] = (), sender: str = ""
) -> tuple[TextRecipient, ...]:
    """The recipients in an explanation, each with the reply about it.

    `named` are known recipients (X-Failed-Recipients, Final-Recipient); only their places in the
    text are searched for. `sender` is the recipient of the bounce; it counts as a failed recipient
    only if no other is named.
    """
    lines = [line[:_MAX_LINE] for line in islice(explanation.splitlines(), _MAX_LINES)]
    places = _places_of(lines, named) if named else _places(lines, sender)
    starts = sorted(places.values())
    return tuple(
        TextRecipient(address, _reply_of(lines, start, starts, explanation))
        for address, start in places.items()
    )


def reporting_site(explanation: str) -> str | None:
    """The host that wrote the explanation, by its own words; None if it names none."""
    match = _SITE.search(_squeezed(explanation))
    return next((group for group in match.groups() if group), None) if match else None


def _squeezed(text: str) -> str:
    return " ".join(text[:_MAX_OPENING].lower().replace("\u2019", "'").split())


def _places(lines: list[str], sender: str) -> dict[str, int]:
    """Addresses and their line numbers, from the most reliable form that finds any."""
    for habit in _HABITS:
        found: dict[str, int] = {}
        for number, line in enumerate(lines):
            address = habit(line) if "@" in line and not _is_of_help(lines, number) else None
            if address is not None and len(found) < _MAX_RECIPIENTS:
                found.setdefault(address, number)
        if found:
            return _without_bystanders(found, sender)
    return {}


def _is_of_help(lines: list[str], number: int) -> bool:
    """True if the line names an address to turn to, by its own words or those of the line above."""
    above = lines[number - 1].rstrip() if number else ""
    before = lines[number].partition("@")[0].rpartition(" ")[0]
    return _HELP.search(before) is not None or (
        above.endswith(":") and "deliver" not in above and _HELP.search(above) is not None
    )


def _alone(line: str) -> str | None:
    return _address(_ALONE.match(line)) or _address(_AFTER_A_NAME.match(line))


def _labelled(line: str) -> str | None:
    return _address(_LABELLED.match(line)) or _address(_REMARKED.match(line))


def _beside_a_code(line: str) -> str | None:
    return _address(_ANYWHERE.search(line)) if _CODE.search(line) else None


def _in_a_sentence(line: str) -> str | None:
    return _address(_IN_A_SENTENCE.search(line))


def _address(match: re.Match[str] | None) -> str | None:
    """The matched address, if its domain has more than one label."""
    found = next((group for group in match.groups() if group), "") if match else ""
    return found if "." in found.rpartition("@")[2] else None


def _without_bystanders(found: dict[str, int], sender: str) -> dict[str, int]:
    """The addresses without contact addresses and the sender, unless there are no others."""
    kept = {
        address: number
        for address, number in found.items()
        if address.partition("@")[0].lower() not in _HELPERS and address.lower() != sender.lower()
    }
    return kept or found


def _places_of(lines: list[str], named: tuple[str, ...]) -> dict[str, int]:
    lowered = [line.lower() for line in lines]
    return {address: _place_of(lowered, address.lower()) for address in named[:_MAX_RECIPIENTS]}


def _place_of(lines: list[str], address: str) -> int:
    """The line about an address, else the first that mentions it, else the number of lines.

    Without an address it is the first line: the whole text applies.
    """
    if not address:
        return 0
    mentions = [number for number, line in enumerate(lines) if address in line]
    for habit in (_alone, _labelled):
        for number in mentions:
            if habit(lines[number]) == address:
                return number
    return mentions[0] if mentions else len(lines)


def _reply_of(lines: list[str], start: int, starts: list[int], explanation: str) -> QuotedReply:
    """The reply about the recipient on line `start`, up to the next recipient's line."""
    end = next((other for other in starts if other > start), len(lines))
    block = lines[start : min(end, start + _MAX_BLOCK_LINES)]
    if block:
        # the address itself may look like anything
        block[0] = _NAMED_AT_START.sub("", block[0], count=1)
    text = "\n".join(block)
    is_only_one = len(starts) == 1
    found = find_quoted(text) or (find_quoted(explanation) if is_only_one else None)
    found = found or read_quoted(_words_about(lines, start, text, explanation * is_only_one))
    if found.remote is None and is_only_one:
        found = replace(found, remote=quoted_remote(explanation))
    return found


def _words_about(lines: list[str], start: int, text: str, explanation: str) -> str:
    """The reason in words, if no code gives it.

    It is searched for behind a label, after the address, in the line above, and before the address.
    """
    reason = _REASON_LINE.search(text) or _REASON_LINE.search(explanation)
    if reason is not None:
        return unquoted(reason[1])
    after = unquoted(re.split(r"\n[ \t]*\n", text.lstrip(" \t\n:;.,<>()'\""), maxsplit=1)[0])
    if after or start >= len(lines):
        return after
    above = lines[start - 1].rstrip() if start else ""
    if above and not above.endswith(":"):
        return unquoted(above)
    before = re.split(r"[<\"'(]?\S{1,100}@", lines[start], maxsplit=1)[0]
    return unquoted(_LABEL.sub("", before.rstrip()))


_HABITS = (_alone, _labelled, _beside_a_code, _in_a_sentence)
