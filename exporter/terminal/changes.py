"""How a change about a target is told to people."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from exporter.analysis.target_changes import Difference, LastGood
from exporter.model import TargetChange
from exporter.reports.wording import instant, visible
from probes.result import NOTHING, Aspect

_WORDS = {
    Aspect.MX: "MX records of",
    Aspect.CERTIFICATE: "certificate of",
    Aspect.CAPABILITIES: "capabilities of",
    Aspect.STS_RECORD: "MTA-STS record of",
    Aspect.STS_POLICY: "MTA-STS policy of",
    Aspect.TLSRPT: "TLS-RPT record of",
    Aspect.TLSA: "TLSA records of",
    Aspect.SPF: "SPF record of",
    Aspect.DKIM: "DKIM key at",
    Aspect.DMARC: "DMARC record at",
    Aspect.LISTING: "listing of",
    Aspect.NAMESERVERS: "name servers of",
}
_LISTS = frozenset({Aspect.MX, Aspect.CAPABILITIES, Aspect.TLSA, Aspect.NAMESERVERS})
_SEPARATOR = ", "


def changes_view(changes: Iterable[TargetChange]) -> RenderableType:
    """Changes one below the other, each with when everybody sees it."""
    return Group(*(_change(one, one.visible_by) for one in changes))


def last_good_view(last_good: LastGood) -> RenderableType:
    """Show when a target was last good, and its differences since then."""
    when = "" if last_good.at is None else f" ({instant(last_good.at)})"
    since = f"its last good run{when}"
    blocks: list[RenderableType] = []
    if last_good.differences:
        blocks.append(differences_view(f"changed since {since}", last_good.differences))
    else:
        text = f"nothing that is compared has changed since {since}"
        blocks.append(Text(text, style="dim"))
    if last_good.before:
        blocks += [Text("changed on the day before:", style="yellow")]
        blocks += [changes_view(last_good.before)]
    return Group(*blocks)


def differences_view(heading: str, differences: Iterable[Difference]) -> RenderableType:
    """Show the differences from a good run, below a line that names the run."""
    return Group(Text(f"{heading}:", style="yellow"), *map(_change, differences))


def _change(change: TargetChange | Difference, visible_by: datetime | None = None) -> Text:
    text = Text(f"{instant(change.at)}  ", style="dim")
    text.append(f"{_WORDS[change.aspect]} {visible(change.subject)}", style="bold")
    for word, value, style in _told(change.aspect, change.before, change.after):
        text.append(f"\n  {word:<4} ", style="dim").append(visible(value), style=style)
    if visible_by is not None:
        text.append(f"\n  seen by everybody by {instant(visible_by)}", style="dim")
    return text


def _told(aspect: Aspect, before: str, after: str) -> list[tuple[str, str, str]]:
    """Return the removed and added items of a list, else the old and the new value."""
    old, new = (() if v == NOTHING else tuple(v.split(_SEPARATOR)) for v in (before, after))
    if aspect not in _LISTS or not set(old) & set(new):
        return [("was", before, "default"), ("is", after, "default")]
    gone = [one for one in old if one not in new]
    come = [one for one in new if one not in old]
    rows = (("gone", gone, "red"), ("new", come, "green"))
    return [(word, _SEPARATOR.join(those), style) for word, those, style in rows if those]
