"""Every lie there is: one table, to be told to the real probes one by one or all at once."""

from collections.abc import Mapping

from exporter.testbed.faults.dns_faults import dns_lies
from exporter.testbed.faults.fault import Lie
from exporter.testbed.faults.https_faults import https_lies
from exporter.testbed.faults.imap_faults import imap_lies
from exporter.testbed.faults.smtp_faults import smtp_lies


def _named(*lies: Lie) -> Mapping[str, Lie]:
    named = {lie.name: lie for lie in lies}
    if len(named) != len(lies):
        raise ValueError("two lies of one name")
    return named


LIES: Mapping[str, Lie] = _named(*dns_lies(), *smtp_lies(), *imap_lies(), *https_lies())
"""By name."""
