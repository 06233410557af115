"""Exchange and Microsoft 365: X-Forefront-Antispam-Report, SCL, BCL, mailbox delivery."""

import re

from probes.records.spam.values import Fields, SpamVerdict, first_known, number, whole_number

MICROSOFT = re.compile(
    r"x-forefront-antispam-report|x-microsoft-antispam(?:-mailbox-delivery)?"
    r"|x-ms-exchange-organization-(?:scl|pcl|antispam-report)"
)

_FIELD = re.compile(r"(?:\A|[;|])\s{0,8}([A-Za-z]{1,12}):([^;|]{0,2000})")
_FILTERED = {
    "SPM": True,
    "SKB": True,
    "SKS": True,
    "BLK": True,
    "NSPM": False,
    "SFE": False,
    "SKA": False,
    "SKI": False,
    "SKN": False,
    "SKQ": False,
}
"""SFV, the filter's result: content, block and allow lists of tenant and user, release."""

_SPAM_LEVEL = 5
"""The spam confidence level from which mail counts as spam; the range is -1 to 9."""

_DESTINATIONS = {"I": "inbox", "J": "junk", "C": "custom", "D": "deleted"}


def microsoft(fields: Fields) -> SpamVerdict:
    """`SCL:5;SFV:SPM;CAT:SPM;CIP:192.0.2.1;...`; the score is the SCL, -1 for mail let through.

    `details` have the report's own names in upper case, the mailbox delivery's in lower case.
    """
    report = _listed(fields.get("x-forefront-antispam-report"))
    antispam = _listed(fields.get("x-microsoft-antispam"))
    delivery = _listed(fields.get("x-microsoft-antispam-mailbox-delivery"))
    details = {name.upper(): text for name, text in (antispam | report).items()}
    details |= {name.lower(): text for name, text in delivery.items()}
    for name in ("scl", "pcl"):
        told = fields.get(f"x-ms-exchange-organization-{name}")
        details |= {} if told is None else {name.upper(): told}
    level = whole_number(details.get("SCL"))
    filtered = _FILTERED.get(details.get("SFV", "").upper())
    destination = details.get("dest", "")
    return SpamVerdict(
        "microsoft",
        is_spam=first_known(filtered, None if level is None else level >= _SPAM_LEVEL),
        score=number(details.get("SCL")),
        action=_DESTINATIONS.get(destination.upper(), destination) or None,
        details=details | fields.others(*_READ),
        raw=fields.raw,
    )


_READ = (
    "x-forefront-antispam-report",
    "x-microsoft-antispam",
    "x-microsoft-antispam-mailbox-delivery",
    "x-ms-exchange-organization-scl",
    "x-ms-exchange-organization-pcl",
)


def _listed(text: str | None) -> dict[str, str]:
    """Read `NAME:value;` lists; of a repeated name the first counts."""
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text or ""):
        found.setdefault(match[1], match[2].strip())
    return found
