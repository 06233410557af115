"""All faults in one table, for the real probes to meet one by one or all at once."""

from collections.abc import Mapping

from exporter.testbed.faults.dns_faults import dns_faults
from exporter.testbed.faults.fault import Fault
from exporter.testbed.faults.https_faults import https_faults
from exporter.testbed.faults.imap_faults import imap_faults
from exporter.testbed.faults.smtp_faults import smtp_faults


def _named(*faults: Fault) -> Mapping[str, Fault]:
    named = {fault.name: fault for fault in faults}
    if len(named) != len(faults):
        raise ValueError("two faults of one name")
    return named


FAULTS: Mapping[str, Fault] = _named(*dns_faults(), *smtp_faults(), *imap_faults(), *https_faults())
"""By name."""
