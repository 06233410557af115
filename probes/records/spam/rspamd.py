"""X-Spamd-*, X-Rspamd-* and X-Spam of rspamd."""

import re

from probes.records.spam.values import (
    Fields,
    SpamVerdict,
    first_known,
    first_number,
    pairs,
    yes_or_no,
)

RSPAMD = re.compile(r"x-spamd-(?:result|bar)|x-rspamd-[\w-]{1,64}|x-spam(?:-action|-symbols)?")

_RESULT = re.compile(
    r"(True|False)\s{0,4}\[\s{0,4}([-+\d.]{1,20})\s{0,4}/\s{0,4}([-+\d.]{1,20})\s{0,4}\]",
    re.IGNORECASE,
)
_SYMBOL = re.compile(r"(?<![\w])([A-Z][A-Z0-9_]{1,100})\s?\(([-+\d.]{1,20})\)")
_BAR = re.compile(r"(\++)|(-+)|/")
_READ = ("x-spamd-result", "x-rspamd-action", "x-spam-action", "x-spam", "x-spam-flag")
_ACTIONS = {
    "no action": False,
    "greylist": None,
    "soft reject": None,
    "add header": True,
    "rewrite subject": True,
    "reject": True,
}
"""rspamd's actions; greylisting applies to unknown senders and is no verdict."""


def rspamd(fields: Fields) -> SpamVerdict:
    """`default: False [-1.50 / 15.00]; SYMBOL(-0.20)[...]; ...`, the action, the bar."""
    text = fields.get("x-spamd-result", "x-rspamd-result", "x-rspamd-report") or ""
    result = _RESULT.search(text[:1024])
    status = fields.get("x-spam-status")
    action = fields.get("x-rspamd-action", "x-spam-action")
    said = pairs(status)
    score, threshold = (result[2], result[3]) if result is not None else (None, None)
    symbols = " ".join(f"{name}={weight}" for name, weight in _SYMBOL.findall(text))
    return SpamVerdict(
        "rspamd",
        is_spam=first_known(
            yes_or_no(None if result is None else result[1]),
            yes_or_no(fields.get("x-spam")),
            yes_or_no(fields.get("x-spam-flag")),
            yes_or_no(status),
            _ACTIONS.get((action or "").lower()),
        ),
        score=_score(fields, score, said.get("score")),
        threshold=first_number(threshold, fields.get("x-rspamd-required-score")),
        action=action,
        details=({"symbols": symbols} if symbols else {}) | fields.others(*_READ),
        raw=fields.raw,
    )


def _score(fields: Fields, *told: str | None) -> float | None:
    """The score as written; else the bar, one character a point, `/` for nearly none."""
    score = first_number(*told, fields.get("x-rspamd-score"), fields.get("x-spam-score"))
    bar = _BAR.fullmatch((fields.get("x-spamd-bar") or "").strip())
    if score is not None or bar is None:
        return score
    return float(len(bar[1] or "") - len(bar[2] or ""))
