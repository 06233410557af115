"""Verdicts of gateways and mailbox providers with simple fields."""

import re

from probes.records.spam.values import (
    Fields,
    SpamVerdict,
    first_known,
    first_number,
    number,
    pairs,
    yes_or_no,
)

GMAIL = re.compile(r"x-gm-[\w-]{1,64}|x-gmail-labels")
PROOFPOINT = re.compile(r"x-proofpoint-(?:spam|virus)-[\w-]{1,64}|x-proofpoint-spam")
MIMECAST = re.compile(r"x-mimecast-(?:spam|bulk|impersonation)-[\w-]{1,64}")
BARRACUDA = re.compile(r"x-barracuda-(?:spam|bayes|brts|envelope|quarantine)[\w-]{0,64}")
AMAZON_SES = re.compile(r"x-ses-(?:spam|virus)-verdict")
BOGOFILTER = re.compile(r"x-bogosity")
VADE = re.compile(r"x-(?:vade|vr)-spam(?:state|score|cause|level)")
IRONPORT = re.compile(r"x-ironport-(?:anti-?spam|av|as)[\w-]{0,64}|x-sbrs")

_RULE = re.compile(r"\brule=(\w{1,64})")
_VADE_SPAM = re.compile(r"(?:spam|phishing|scam|malware|suspect)", re.IGNORECASE)


def gmail(fields: Fields) -> SpamVerdict:
    """Gmail's own labels, seen in exports and groups; in delivered mail they are opaque."""
    marks = [yes_or_no(fields.get(name)) for name in ("x-gm-spam", "x-gm-phishy")]
    labels = fields.get("x-gmail-labels")
    names = [name.strip(' "').lower() for name in (labels or "").split(",")]
    by_label = None if labels is None else "spam" in names
    is_spam = True if True in marks else first_known(*marks, by_label)
    return SpamVerdict("gmail", is_spam=is_spam, details=fields.others(), raw=fields.raw)


def proofpoint(fields: Fields) -> SpamVerdict:
    """`rule=notspam policy=default score=0 spamscore=0 ...`."""
    text = fields.get("x-proofpoint-spam-details") or ""
    said = pairs(text)
    rule = _RULE.search(text)
    name = "" if rule is None else rule[1].lower()
    return SpamVerdict(
        "proofpoint",
        is_spam=_proofpoint_rule(name),
        score=number(said.get("score")),
        action=name or None,
        details=said | fields.others("x-proofpoint-spam-details"),
        raw=fields.raw,
    )


def _proofpoint_rule(rule: str) -> bool | None:
    """The verdict of a rule; sites put words of their own before it: `inbound_notspam`."""
    if rule.endswith(("notspam", "safe")):
        return False
    return True if rule.endswith(("spam", "phish", "malware")) else None


def mimecast(fields: Fields) -> SpamVerdict:
    """X-Mimecast-Spam-Score, a bare number, and the flag of a matching spam signature."""
    return SpamVerdict(
        "mimecast",
        # no signature is no verdict: the score may still have held the message
        is_spam=True if yes_or_no(fields.get("x-mimecast-spam-signature")) else None,
        score=number(fields.get("x-mimecast-spam-score")),
        details=fields.others("x-mimecast-spam-score"),
        raw=fields.raw,
    )


def barracuda(fields: Fields) -> SpamVerdict:
    """`No, SCORE=0.50 using ... scores of TAG_LEVEL=3.5 QUARANTINE_LEVEL=1000.0 KILL_LEVEL=9.0`.

    The threshold is the level from which mail is tagged as spam.
    """
    status = fields.get("x-barracuda-spam-status")
    said = pairs(status)
    flag = yes_or_no(fields.get("x-barracuda-spam-flag"))
    return SpamVerdict(
        "barracuda",
        is_spam=first_known(flag, yes_or_no(status)),
        score=first_number(fields.get("x-barracuda-spam-score"), said.get("score")),
        threshold=number(said.get("tag_level")),
        details=said | fields.others("x-barracuda-spam-status", "x-barracuda-spam-score"),
        raw=fields.raw,
    )


def amazon_ses(fields: Fields) -> SpamVerdict:
    """X-SES-Spam-Verdict: PASS, FAIL, GRAY or PROCESSING_FAILED."""
    verdict = (fields.get("x-ses-spam-verdict") or "").upper()
    is_spam = {"PASS": False, "FAIL": True}.get(verdict)
    return SpamVerdict("amazon_ses", is_spam=is_spam, details=fields.others(), raw=fields.raw)


def bogofilter(fields: Fields) -> SpamVerdict:
    """`Ham, tests=bogofilter, spamicity=0.000000, version=1.2.5`; Unsure is neither."""
    text = fields.get("x-bogosity")
    said = pairs(text)
    score = number(said.get("spamicity"))
    is_spam = yes_or_no(text)
    return SpamVerdict("bogofilter", is_spam, score, details=said, raw=fields.raw)


def vade(fields: Fields) -> SpamVerdict:
    """X-VR-SPAMSTATE: OK or the class of the message; X-VR-SPAMSCORE: 0 to hundreds."""
    state = fields.get("x-vr-spamstate", "x-vade-spamstate") or ""
    is_spam = True if _VADE_SPAM.match(state) else None
    return SpamVerdict(
        "vade",
        is_spam=False if state.lower() in ("ok", "clean") else is_spam,
        score=first_number(fields.get("x-vr-spamscore"), fields.get("x-vade-spamscore")),
        action=state or None,
        details=fields.others(),
        raw=fields.raw,
    )


def ironport(fields: Fields) -> SpamVerdict:
    """Cisco's result is opaque; readable are the fact of a scan and the sender's reputation."""
    reputation = number(fields.get("x-sbrs"))
    details = fields.others() | ({} if reputation is None else {"reputation": str(reputation)})
    return SpamVerdict("ironport", details=details, raw=fields.raw)
