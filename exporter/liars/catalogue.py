"""Every lie there is: one table, to be told to the real probes one by one or all at once."""

from collections.abc import Mapping

from exporter.liars.dns_lies import dns_lies
from exporter.liars.https_lies import https_lies
from exporter.liars.imap_lies import imap_lies
from exporter.liars.lies import Lie
from exporter.liars.smtp_lies import smtp_lies


def _named(*lies: Lie) -> Mapping[str, Lie]:
    named = {lie.name: lie for lie in lies}
    if len(named) != len(lies):
        raise ValueError("two lies of one name")
    return named


LIES: Mapping[str, Lie] = _named(*dns_lies(), *smtp_lies(), *imap_lies(), *https_lies())
"""By name."""
