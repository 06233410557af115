"""X-Spam-* of SpamAssassin and similar writers (amavis, Exim, cPanel), and MailScanner's fields."""

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

SPAMASSASSIN = re.compile(r"x-(?:old-)?spam-[\w-]{1,64}|x-ham-report")
MAILSCANNER = re.compile(r"x-(?:[\w-]{1,100}-)?mailscanner(?:-[\w-]{1,64})?")

_TESTS = re.compile(r"\btests\s?=\s?(\[[^\]\[]{0,30000}\]|[^=]{0,30000}?(?=\s+[\w-]{1,32}=|\Z))")
_LEVEL = re.compile(r"\s*([*+xs]{1,200})\s*", re.IGNORECASE)
_OWN_WORDS = re.compile(r"\b(?:tests|required|hits|tagged_above|autolearn)\s?=", re.IGNORECASE)
_SCANNER_CHECK = re.compile(r"x-(?:[\w-]{1,100}-)?mailscanner-spamcheck")
_SCANNER_SCORE = re.compile(r"\bscore=([-+\d.]{1,20}), {0,4}required ([-+\d.]{1,20})")


def x_spam(fields: Fields) -> SpamVerdict:
    """`Yes, score=5.2 required=5.0 tests=... autolearn=no version=4.0.0` and related fields.

    The system is `spamassassin` if a field that only it writes is there, else `x-spam`: many
    filters put a bare flag or score into the same fields.
    """
    status = fields.get("x-spam-status", "x-old-spam-status") or ""
    said = pairs(status)
    tests = _TESTS.search(status)
    details = {name: text for name, text in said.items() if name not in ("score", "hits")}
    details |= {} if tests is None else {"tests": " ".join(tests[1].strip("[] ").split())}
    details |= fields.others("x-spam-status", "x-spam-flag", "x-spam-score")
    is_own = _OWN_WORDS.search(status) or fields.get("x-spam-checker-version")
    return SpamVerdict(
        "spamassassin" if is_own else "x-spam",
        is_spam=first_known(yes_or_no(fields.get("x-spam-flag")), yes_or_no(status)),
        score=_score(fields, said),
        threshold=number(said.get("required")),
        details=details,
        raw=fields.raw,
    )


def mailscanner(fields: Fields) -> SpamVerdict:
    """`not spam, SpamAssassin (not cached, score=-1.9, required 6, ...)`, under any site's name."""
    text = next((value for _, value in fields.named(_SCANNER_CHECK)), "")
    match = _SCANNER_SCORE.search(text)
    verdict = text.lower().lstrip()
    is_spam = True if verdict.startswith("spam") else None
    return SpamVerdict(
        "mailscanner",
        is_spam=False if verdict.startswith("not spam") else is_spam,
        score=None if match is None else number(match[1]),
        threshold=None if match is None else number(match[2]),
        details=fields.others(),
        raw=fields.raw,
    )


def _score(fields: Fields, said: dict[str, str]) -> float | None:
    """The score as written; else the level, which is the score without its fraction."""
    told = first_number(said.get("score"), said.get("hits"), fields.get("x-spam-score"))
    level = _LEVEL.fullmatch(fields.get("x-spam-level", "x-spam-bar") or "")
    return float(len(level[1])) if told is None and level is not None else told
