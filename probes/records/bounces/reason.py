"""The reason of a bounce, one of ten classes: a documented judgement from codes and words.

The sources, in this order; the first that gives an answer counts:

1. the enhanced code in the reply itself, if its meaning leaves no doubt (X.1.1, X.2.2, X.7.26);
2. the words of the reply (_WORDS): most servers use 550 or 5.7.1 for everything, and only the
   text tells the reason;
3. the Status field, if its meaning leaves no doubt: it comes after the words because the
   reporting relay makes one up if the reply has none;
4. the enhanced codes with a broad meaning (X.7.1: some policy), then the reply code;
5. a code of class 4, or a notice of delay, without anything else: `temporary`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from probes.records.reply import EnhancedCode


class BounceReason(StrEnum):
    """The reason of a refusal; the value is the word in metrics and JSON.

    `policy`: a rule about permitted senders, content or recipients. `reputation`: the standing of
    the sending address or domain, block lists included. `authentication`: SPF, DKIM, DMARC, ARC,
    reverse DNS or SMTP AUTH. `content`: the text or the attachments of the message. `routing`: no
    way to the mailbox's server (no such domain, no answer, a loop, a server that does not take mail
    for the domain). `temporary`: the server said "later", to the end or so far. `unknown`: no
    reason was recognised.
    """

    UNKNOWN_USER = "unknown_user"
    MAILBOX_FULL = "mailbox_full"
    POLICY = "policy"
    REPUTATION = "reputation"
    AUTHENTICATION = "authentication"
    SIZE = "size"
    CONTENT = "content"
    ROUTING = "routing"
    TEMPORARY = "temporary"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Code:
    """Enhanced codes (RFC 3463 §3, RFC 7372 §3) of one subject; `details` is None for the rest."""

    subject: int
    details: frozenset[int] | None
    reason: BounceReason


def _row(subject: int, reason: BounceReason, *details: int) -> _Code:
    return _Code(subject, frozenset(details) or None, reason)


_CLEAR_CODES = (
    _row(1, BounceReason.UNKNOWN_USER, 1, 3, 4, 6),
    _row(1, BounceReason.ROUTING, 2, 9),
    _row(2, BounceReason.MAILBOX_FULL, 2),
    _row(2, BounceReason.SIZE, 3),
    _row(3, BounceReason.SIZE, 4),
    _row(4, BounceReason.ROUTING, 4, 6),
    _row(6, BounceReason.CONTENT),
    # RFC 7372 §3; X.7.29 is RFC 8617's; the three-digit ones are Microsoft 365's DMARC and sender
    # requirements
    _row(7, BounceReason.AUTHENTICATION, 20, 21, 22, 23, 24, 25, 26, 29, 509, 515),
)
_BROAD_CODES = (
    _row(1, BounceReason.UNKNOWN_USER, 0),
    _row(1, BounceReason.POLICY, 7, 8),
    _row(1, BounceReason.ROUTING, 10),  # RFC 7505 §4.1
    _row(2, BounceReason.UNKNOWN_USER, 1),
    _row(2, BounceReason.ROUTING, 4),
    _row(3, BounceReason.TEMPORARY, 1),
    _row(3, BounceReason.POLICY, 2, 3),
    _row(3, BounceReason.ROUTING, 5),
    _row(4, BounceReason.TEMPORARY, 5, 7),
    _row(4, BounceReason.ROUTING, 1, 2, 3),
    _row(5, BounceReason.POLICY, 3),
    # Microsoft 365: senders and addresses it has banned or throttled
    _row(7, BounceReason.REPUTATION, 501, 502, 503, 511, 705, 708, 750, *range(606, 650)),
    _row(7, BounceReason.CONTENT, 7),
    _row(7, BounceReason.AUTHENTICATION, 8, 9, 57),  # RFC 4954 §6
    _row(7, BounceReason.POLICY),
)
_REPLY_CODES = {
    530: BounceReason.AUTHENTICATION,
    535: BounceReason.AUTHENTICATION,
    551: BounceReason.UNKNOWN_USER,  # RFC 5321 §4.2.3
    552: BounceReason.MAILBOX_FULL,
    553: BounceReason.UNKNOWN_USER,
    556: BounceReason.ROUTING,  # RFC 7504 §4
}

_LISTS = re.compile(
    r"spamhaus|spamcop|barracudacentral|sorbs\.net|uceprotect|surbl|invaluement|senderscore|"
    r"talosintelligence|mailspike|abusix|\b(?:dns|rh|u|s|p|x|c)?bls?\.[a-z0-9-]+\.[a-z]"
)
"""Names of block lists; the search for them comes before host names are removed from the text."""

_EXCHANGE = (
    (BounceReason.SIZE, re.compile(r"\b[a-z.]{1,40}sizelimit")),
    (BounceReason.MAILBOX_FULL, re.compile(r"\b[a-z.]{1,40}quotaexceeded")),
    (BounceReason.UNKNOWN_USER, re.compile(r"\bresolver\.adr\.|recip(?:ient)?notfound")),
    (BounceReason.POLICY, re.compile(r"\bresolver\.rst\.")),
    (BounceReason.ROUTING, re.compile(r"\b(?:smtpsend\.)?dns\.[a-z]|\brouting\.|\bhop ?count")),
    (BounceReason.TEMPORARY, re.compile(r"\bqueue\.expired")),
)
"""Dotted words of Microsoft Exchange; they look like host names."""

_NAMES = re.compile(
    r"<[^<>\s]{0,320}>|(?<![^\s<>\"'])[^\s<>\"']{1,320}@[^\s<>\"']{1,255}"
    r"|https?://[^\s<>\"']{0,2000}"
    r"|(?<![\w.-])[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,10}(?![\w-])"
)
"""Addresses, links and host names: the words in them say nothing about the reason."""


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of one reason; `passing` rows apply only if no code says the refusal is permanent."""

    reason: BounceReason
    pattern: re.Pattern[str]
    passing: bool = False


def _words(reason: BounceReason, *patterns: str, passing: bool = False) -> _Words:
    return _Words(reason, re.compile("|".join(patterns)), passing)


_WHO = (
    r"(?:user(?:[ _]?id)?|recipient|receiver|mailbox|address(?:ee)?|account|alias|inbox"
    r"|local[- ]part)(?:e?s)?"
)
_GONE = (
    r"(?:unknown|unavailable|invalid|disabled|inactive|deactivated|suspended|undeliverable"
    r"|not (?:be )?found|not exist|not known|not active|not listed|not recogni[sz]ed|no longer"
    r"|(?:does|do|did)(?: not|n't) exist|doesn't have)"
)
_WORDS = (
    _words(BounceReason.TEMPORARY, r"gr[ea]y[- ]?list"),
    _words(
        BounceReason.AUTHENTICATION,
        r"\b(?:spf|dkim|dmarc)\b",
        r"sender policy framework",
        r"authentication (?:is )?required",
        r"(?:not|un)[- ]?authenticated",
        r"fail(?:s|ed)? .{0,30}authentication",
        r"authentication (?:checks? )?fail",
        r"\b(?:ptr|rdns|reverse (?:dns|host ?name|lookup|mapping))\b",
        r"cannot find your (?:reverse )?host ?name",
    ),
    _words(
        BounceReason.REPUTATION,
        r"(?:black|block|deny)[- ]?list",
        r"\b(?:dns|rh|r)bls?\b",
        r"\breputation\b",
        r"blocked (?:using|by (?!.{0,20}(?:polic|filter|rule)))",
        r"\bon (?:our|a|the) (?:block|ban)",
        r"(?<!not )\blisted (?:in|on|by|at)\b|is listed",
        r"\bmessages from .{0,60}deferred",
        r"\[ts{1,2}\d\d\]|\((?:rtr|hvu|dnsbl|con):",  # Yahoo, AOL
        r"\b(?:ip|client|sending|host|address|network|connection)s?\b.{0,50}\b(?:blocked|banned)",
        r"\b(?:blocked|banned) (?:ip|host|client|network|sender|sending)",
        r"bad sender",
        r"unusual rate of unsolicited",
        r"sent too (?:much|many) spam",
    ),
    _words(
        BounceReason.MAILBOX_FULL,
        r"over[- ]?quota|quota (?:is |was |has been )?(?:exceeded|full|violation|reached)",
        r"(?:exceed\w{0,8}|over|out of|beyond|past) .{0,40}(?:quota|disk)",
        r"(?:exceed\w{0,8}|over|out of|beyond|past) .{0,40}storage (?:limit|alloc|space)",
        r"(?:mail(?:box|dir|folder| ?file| box)|inbox|account|storage) .{0,20}\bfull\b",
        r"\bfull (?:mailbox|inbox)",
        r"mailbox (?:size |limit |size limit )?(?:exceed|is too large)",
        r"mailbox size limit",
        r"(?:not enough|insufficient|no) (?:disk|storage|mailbox) ?(?:space|quota)",
        r"no space left|disk ?(?:space|full)|storage (?:quota|allocation)",
    ),
    _words(
        BounceReason.SIZE,
        r"message (?:\w+ )?(?:is )?too (?:big|large|long)",
        r"(?:message|mail|e-?mail|header|attachment)(?:'s)?[ _](?:file[ _])?(?:size|length)\b",
        r"\bsize (?:limit|exceed)",
        r"exceed\w{0,8} .{0,40}\bsize|larger than|maximum .{0,20}size",
        r"too (?:big|large) (?:a )?(?:message|for)|(?:big|large) message",
    ),
    _words(
        BounceReason.POLICY,
        r"sender address (?:rejected|refused|denied)",
        r"sender (?:rejected|denied|verif\w+ fail)",
    ),
    _words(
        BounceReason.UNKNOWN_USER,
        r"(?:unknown|no such|invalid|bad|non-?existe?a?nt|unrecogni[sz]ed|nonexisting)"
        rf" (?:\w+ ){{0,2}}{_WHO}",
        rf"{_WHO}\)?:? .{{0,60}}?{_GONE}",
        rf"not (?:a |an )?(?:valid|known|existing|recogni[sz]ed) (?:\w+ )?{_WHO}",
        rf"{_WHO} .{{0,20}}not (?:valid|local)",
        r"no (?:mailbox|such (?:person|addressee|name|mail ?drop)|recipients? (?:here|found))",
        r"recipient not found|no valid recipients?|no one by that name|who does not",
        r"recipient address rejected: access denied",  # Microsoft 365, of unknown recipients
        r"not listed in|couldn't be found|wasn't found|(?:is not|isn't) one of|bad destination",
        r"\b5\d\d[ -].{0,60}unrouteable address",  # Exim, of its own users
        r"does not like recipient",  # qmail
    ),
    _words(
        BounceReason.ROUTING,
        r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not|prohibited)",
        r"(?:not|unable to|cannot) relay|not (?:permitted|allowed|authori[sz]ed) to relay",
        r"\brcpthosts\b",
        r"(?:host|domain|name|mx)\b.{0,40}(?:not found|unknown|does(?: not|n't) exist|nxdomain)",
        r"(?:unknown|no such|illegal) (?:mail )?(?:host|domain)|no route|unable to route",
        r"unrouteable|couldn't find any host|name service error|name server|dns (?:error|fail)",
        r"\bnull ?mx\b|(?:does not|doesn't) accept (?:any )?mail|no mx\b",
        r"(?:mx|exchanger)\b.{0,40}(?:non-existent|loopback|point)",
        r"mails? (?:forwarding )?loop|loops? back|routing loop|too many hops|hop count",
        r"connection (?:was )?(?:refused|timed out|reset|closed|dropped|lost)|lost connection",
        r"(?:could|can)(?: ?not|n't) (?:connect|establish)|establish an smtp connection",
        r"network (?:is )?unreachable|no answer from",
        r"(?:host|server) (?:is )?(?:unreachable|not reachable|not responding)",
        r"all hosts .{0,80}failing",
    ),
    _words(
        BounceReason.TEMPORARY,
        r"(?:message|delivery time|time-?out|queue\w{0,8}|retry (?:time-?out|period))"
        r" (?:has )?expired",
        r"retry time.{0,20}exceeded|in the queue too long|queue lifetime",
    ),
    _words(
        BounceReason.CONTENT,
        r"\bspam\w*\b|\bjunk\b|unsolicited|\bgtube\b|\bbulk mail|high[- ]probability",
        r"\b(?:virus|malware|infected|trojan|phish\w*|ransom)",
        r"\bcontents?\b|attachment|executable|suspicious|malicious",
        r"(?:banned|prohibited) (?:file|name|word)|unacceptable (?:header|mail)",
    ),
    _words(
        BounceReason.TEMPORARY,
        r"try again|\blater\b|temporar|timed? ?out|too busy|overload|congest|\bdeferred\b",
        r"too many (?:concurrent |simultaneous )?(?:connections|sessions)|resources|throttl",
        passing=True,
    ),
    _words(
        BounceReason.POLICY,
        r"polic(?:y|ies)|prohibit|administrativ|denied|forbidden|refused|restrict|blocked",
        r"not (?:allowed|authori[sz]ed|permitted|accepted)|don't accept|unacceptable",
        r"rate[- ]?limit|too many|starttls|encryption|\btls\b",
        r"permission|closed (?:group|list)|moderat|rejected (?:by|due|for|because)",
    ),
)
"""Words of servers, most telling first; matched in lower case, after names are removed."""


_TELLING = frozenset(
    (
        BounceReason.UNKNOWN_USER,
        BounceReason.MAILBOX_FULL,
        BounceReason.SIZE,
        BounceReason.ROUTING,
        BounceReason.REPUTATION,
        BounceReason.AUTHENTICATION,
    )
)


def judge_reason(
    text: str, *, said: EnhancedCode | None, status: EnhancedCode | None, code: int | None
) -> BounceReason:
    """The class of a refusal, see above.

    `text` is the reply or its substitute, `said` the enhanced code within it. `status` is the
    report's own code, `code` the reply code. At most 4,000 characters are read.
    """
    is_permanent = _is_permanent(said, status, code)
    return (
        _by_code(_CLEAR_CODES, said)
        or _by_words(text[:4000].lower(), is_permanent=is_permanent)
        or _by_code(_CLEAR_CODES, status)
        or _by_broad_code(said)
        or _by_broad_code(status)
        or (_REPLY_CODES.get(code) if code is not None else None)
        or _by_class(said, status, code)
    )


def judge_explanation(text: str) -> BounceReason:
    """The class of a refusal that only prose explains; `unknown` for most.

    Prose is full of advice ("try again later", "see the attachment", "ask for permission"). So only
    words that name a cause by themselves count.
    """
    return _by_words(text[:4000].lower(), is_permanent=True, among=_TELLING) or BounceReason.UNKNOWN


def _is_permanent(said: EnhancedCode | None, status: EnhancedCode | None, code: int | None) -> bool:
    """True if the refusal is permanent; the reply's own class comes first.

    A report calls the last of many 4yz replies a failure of class 5.
    """
    if said is not None:
        return said[0] == 5
    if code is not None:
        return code >= 500
    return status is not None and status[0] == 5


def _by_code(rows: tuple[_Code, ...], code: EnhancedCode | None) -> BounceReason | None:
    if code is None:
        return None
    for row in rows:
        if code[1] == row.subject and (row.details is None or code[2] in row.details):
            return row.reason
    return None


def _by_broad_code(code: EnhancedCode | None) -> BounceReason | None:
    """The reason of a broad code; class 4 with an unnamed policy is the server's usual "later"."""
    reason = _by_code(_BROAD_CODES, code)
    if reason is BounceReason.POLICY and code is not None and code[0] == 4:
        return BounceReason.TEMPORARY
    return reason


def _by_words(
    text: str, *, is_permanent: bool, among: frozenset[BounceReason] = frozenset(BounceReason)
) -> BounceReason | None:
    if _LISTS.search(text):
        return BounceReason.REPUTATION
    for reason, pattern in _EXCHANGE:
        if pattern.search(text):
            return reason
    plain = " ".join(_NAMES.sub(" ", text).split())
    for row in _WORDS:
        if row.reason not in among or (row.passing and is_permanent):
            continue
        if row.pattern.search(plain):
            return row.reason
    return None


def _by_class(
    said: EnhancedCode | None, status: EnhancedCode | None, code: int | None
) -> BounceReason:
    classes = {said[0] if said else 0, status[0] if status else 0, code // 100 if code else 0}
    return BounceReason.TEMPORARY if 4 in classes else BounceReason.UNKNOWN
