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
    for the domain). `temporary`: only "try later" replies, so far or until delivery was given up.
    `unknown`: no reason was recognised.
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
    _row(1, BounceReason.POLICY, 7, 8),  # the sender's address, not the recipient's
    _row(2, BounceReason.MAILBOX_FULL, 2),
    _row(2, BounceReason.SIZE, 3),
    _row(3, BounceReason.TEMPORARY, 1),
    _row(3, BounceReason.SIZE, 4),
    _row(4, BounceReason.ROUTING, 4, 6),
    _row(6, BounceReason.CONTENT),
    # RFC 7372 §3; X.7.29 is RFC 8617's; the three-digit ones are Microsoft 365's DMARC and sender
    # requirements
    _row(7, BounceReason.AUTHENTICATION, 20, 21, 22, 23, 24, 25, 26, 29, 509, 515),
)
_BROAD_CODES = (
    _row(1, BounceReason.UNKNOWN_USER, 0),
    _row(1, BounceReason.ROUTING, 10),  # RFC 7505 §4.1
    _row(2, BounceReason.UNKNOWN_USER, 1),
    _row(2, BounceReason.ROUTING, 4),
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
    r"(?:user(?:[ _]?id)?|recipient|receiver|mail ?box|address(?:ee)?|account|alias|inbox|rcpt"
    r"|local[- ]part)(?:\(?e?s\)?)?"
)
_GONE = (
    r"(?:unknown|unavail?able|invalid|disabled|(?:in|de)activ\w*|suspend\w*|undeliverable|frozen"
    r"|not (?:be )?found|not exist|not known|not active|not listed|not recogni[sz]ed|no longer"
    r"|not (?:present|ok|accepted)|(?:is|are|was|been) (?:\w+ )?(?:locked|limited|closed|expired)"
    r"|(?:does|do|did)(?: not|n't) exist|doesn't have|missing home|refuses? to)"
)
_FOREIGN_USER = (
    r"(?:unbekannte[rn]? (?:empf|benutz|nutzer)|(?:benutzer|empf(?:ä|ae)nger|nutzer|postfach)"
    r" .{0,20}(?:unbekannt|nicht (?:gefunden|vorhanden|bekannt)|existiert nicht)"
    r"|(?:utilisateur|destinataire|adresse|compte|bo(?:î|i)te) .{0,40}(?:inconnu|invalide"
    r"|inexistant"
    r"|n'existe pas|archiv)|(?:no existe|desconocid).{0,30}(?:usuario|persona|cuenta|destinatari)"
    r"|(?:usuario|cuenta|destinatario|usu(?:á|a)rio|destinat(?:á|a)rio) .{0,20}(?:no existe"
    r"|desconocid|n(?:ã|a)o existe|inexistente|sconosciuto)|utente .{0,30}(?:sconosciut|indirizzo"
    r"|inesistent)|onbekende gebruiker|(?:gebruiker|ontvanger) .{0,20}onbekend)"
)
_FOREIGN_FULL = (
    r"(?:(?:boite|boîte|messagerie) .{0,30}pleine|buz(?:ó|o)n .{0,20}llen"
    r"|(?:postfach|mailbox) .{0,20}voll"
    r"|casella .{0,20}piena|caixa .{0,30}cheia|quota (?:d(?:é|e)pass|(?:ü|ue)berschritten|superad))"
)
_WORDS = (
    _words(BounceReason.TEMPORARY, r"gr[ea]y[- ]?list"),
    _words(
        BounceReason.TEMPORARY,
        r"\bat a rate that\b|mail system (?:is )?full",
        r"(?:insufficient|out of|not enough|no) (?:system|disk) (?:storage|resour)",
        r"(?:insufficient|out of) (?:system|disk|main) (?:disk )?space",
        r"no space left",
    ),
    _words(
        BounceReason.TEMPORARY,
        r"\brate[- ]?(?:limit|control)|too many \w+|unusual rate of (?:mail|e-?mail|messages)",
        r"slow(?:er| down)|(?:mailbox|account|user) .{0,20}(?:busy|temporarily locked)",
        r"configuration error",
        passing=True,
    ),
    _words(
        BounceReason.POLICY,
        r"domain of sender|(?:bad|unrout(?:e?)able|invalid) sender|sender was rejected",
        r"bogus mail from|sender domain (?:is|must|does|not)|null sender",
        r"empty envelope sender|mail from not owned",
        r"\bfrom: domain is invalid|e-?mail address is not verified|blocked by the recipient",
        r"multiple addresses in",
    ),
    _words(
        BounceReason.MAILBOX_FULL,
        r"user (?:is )?over (?:the )?quota|account .{0,40}exceeding receiving limits",
        r"(?:recipient|user) reached disk|mailbox would exceed|space has been used up",
        r"(?:have|with) enough space|(?:user|domain)disk quota|too many messages on",
        r"mail file size exceeds the maximum size allowed",  # a full mailbox of MailMarshal
        _FOREIGN_FULL,
    ),
    _words(
        BounceReason.AUTHENTICATION,
        r"\b(?:spf|dkim|dmarc)\b",
        r"sender policy framework",
        r"authenti(?:fi)?cation (?:is )?requi[rs]",
        r"mismatches client ip|unresolvable relay|ip name lookup failed",
        r"(?:not|un)[- ]?authenticated",
        r"fail(?:s|ed)? .{0,30}authentication",
        r"authentication (?:checks? )?fail",
        r"\b(?:ptr|rdns|reverse (?:dns|host ?name|lookup|mapping))\b",
        r"cannot find your (?:reverse )?host ?name",
    ),
    _words(
        BounceReason.REPUTATION,
        r"(?:black|block|deny)[- ]?list(?!ed url)",
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
        r"\bdynamic ips?\b|open (?:proxy|relay)|(?:mail )?server (?:at .{0,50})?is blocked",
        r"accepting (?:any )?mail from your ip|smtp server of your isp",
        r"is (?:a )?spammer|like spammer",
        r"\bsc-00[1-4]\b",  # Outlook.com
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
        BounceReason.ROUTING,
        r"mail domain .{0,40}is unknown|unknown domain name|not delivered within .{0,40}not resp",
    ),
    _words(
        BounceReason.UNKNOWN_USER,
        r"(?:unknown|no such|invalid|bad|non-?existe?a?nt|unrecogni[sz]ed|nonexisting)"
        rf" (?:\w+ ){{0,2}}{_WHO}",
        rf"{_WHO}\)?:? .{{0,60}}?{_GONE}",
        rf"not (?:a |an )?(?:valid|known|existing|recogni[sz]ed) (?:\w+ )?{_WHO}",
        rf"{_WHO} .{{0,20}}not (?:valid|local)",
        r"no (?:mailbox|such (?:person|addressee|name|mail ?drop)|recipients? (?:here|found))",
        r"recipient not found|no valid recipients?|no (?:one|account) by that name|who does not",
        r"no mail ?box|(?:in my )?bad(?:rcpt|recipient)to|(?:valid(?:rcpt|recipient)to)",
        r"envelope recipient has been denied|can't accept user|unknown (?:e-?mail|mail) address",
        r"\bin name directory|account is locked|temporar(?:y|ily) locked|recipient suspend",
        r"\A5\d\d[ -](?:\d\.\d{1,3}\.\d{1,3} )?(?:does not exist|not found)|not a local address",
        r"not an active address|(?:inactive|deactivated) (?:user|mailbox|account)",
        _FOREIGN_USER,
        r"recipient address rejected: access denied",  # Microsoft 365, of unknown recipients
        r"not listed in|couldn't be found|wasn't found|(?:is not|isn't) one of|bad destination",
        r"\b5\d\d[ -].{0,60}unrouteable address",  # Exim, of its own users
        r"does not like recipient",  # qmail
    ),
    _words(
        BounceReason.ROUTING,
        r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not|prohibited)|insecure mail relay",
        r"computer was not found|name or service not known|couldn't find a mail exchanger",
        r"best-preference mx",
        r"could not find a gateway|\bdns records? .{0,60}not be found|message looping",
        r"forwarding loop|remote domain does(?: not|n'?t) exist|network error",
        r"(?:not|unable to|cannot) relay|not (?:permitted|allowed|authori[sz]ed) to relay",
        r"\brcpthosts\b",
        r"(?:host|domain|name|mx)\b.{0,40}(?:not found|unknown|does(?: not|n'?t) exist|nxdomain)",
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
        r"retry time.{0,20}exceeded|in the queue too long|queue lifetime|retry time not reached",
        r"(?:not been collected|queued?) (?:after|for) .{0,20}days?|(?:was )?not delivered within",
        r"not reachable within|delivery (?:has been )?delayed",
    ),
    _words(
        BounceReason.CONTENT,
        r"\bspam\w*\b|\bjunk\b|unsolicited|\bgtube\b|\bbulk mail|high[- ]probability",
        r"\b(?:virus|malware|infected|trojan|phish\w*|ransom)",
        r"\bcontents?\b|attachment|executable|suspicious|malicious",
        r"(?:banned|prohibited) (?:file|name|word)|unacceptable (?:header|mail)",
        r"\bube\b|recurrent pattern|listed url|\bdt:spm\b|header error|invalid mime",
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
        r"permission|closed (?:mailing )?(?:group|list)|moderat|rejected (?:by|due|for|because)",
        r"sender (?:e-?mail )?address rejected",
    ),
)
"""Phrases in servers' replies, most telling first; matched in lower case, names removed."""

_ADVICE = re.compile(
    r"\b(?:make sure|ensure|consider|check (?:that|if|whether|your)|verify (?:that|your)"
    r"|we recommend|to (?:learn|find out) more|for (?:more|further) (?:information|help|details)"
    r"|(?:please )?(?:visit|contact|see) |you (?:should|may want))[^.;]{0,200}"
)
"""Advice to the sender: it mentions what may be wrong, not what is. It counts if all else is
silent."""


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


_USER = frozenset((BounceReason.UNKNOWN_USER,))
_BESIDE_USER = frozenset((BounceReason.MAILBOX_FULL, BounceReason.REPUTATION))


def judge_reason(
    text: str, *, said: EnhancedCode | None, status: EnhancedCode | None, code: int | None
) -> BounceReason:
    """The class of a refusal, see above.

    `text` is the reply or its substitute, `said` the enhanced code within it. `status` is the
    report's own code, `code` the reply code. At most 4,000 characters are read.
    """
    is_permanent = _is_permanent(said, status, code)
    return (
        _beside_the_code(text, said)
        or _by_code(_CLEAR_CODES, said)
        or _by_words(text[:4000].lower(), is_permanent=is_permanent)
        or _by_code(_CLEAR_CODES, status)
        or _by_broad_code(said)
        or _by_broad_code(status)
        or (_REPLY_CODES.get(code) if code is not None else None)
        or _by_class(said, status, code)
    )


def _beside_the_code(text: str, said: EnhancedCode | None) -> BounceReason | None:
    """The reason of words that contradict X.1.1: some servers write it into every refusal."""
    if said is None or said[1:] != (1, 1):
        return None
    words = text[:4000].lower()
    if _by_words(words, is_permanent=True, among=_USER) is not None:
        full = re.search(r"over (?:the )?quota|mailbox full", words)
        return None if full is None else BounceReason.MAILBOX_FULL
    return _by_words(words, is_permanent=True, among=_BESIDE_USER)


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
    rows = [row for row in _WORDS if row.reason in among and not (row.passing and is_permanent)]
    for said in dict.fromkeys((_ADVICE.sub(" ", plain), plain)):
        for row in rows:
            if row.pattern.search(said):
                return row.reason
    return None


def _by_class(
    said: EnhancedCode | None, status: EnhancedCode | None, code: int | None
) -> BounceReason:
    classes = {said[0] if said else 0, status[0] if status else 0, code // 100 if code else 0}
    return BounceReason.TEMPORARY if 4 in classes else BounceReason.UNKNOWN
