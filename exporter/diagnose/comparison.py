"""What a diagnosis is compared with, and when everybody sees what is mended now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from exporter.analysis.target_changes import Difference, differences, visible_by
from exporter.diagnose.areas import AREAS
from exporter.diagnose.diagnosis import Diagnosis, Remembered
from exporter.ledger.reader import LedgerReader
from exporter.model import Config
from probes.registry import KINDS
from probes.result import Aspect, Known

_AREA_NAMES = frozenset(area.name for area in AREAS)

_OF_SEVERAL_NAMES = frozenset({Aspect.SPF, Aspect.DKIM, Aspect.DMARC})
"""Of these a finding may be about somebody else's record, which only its subject tells."""

_ASPECTS: Mapping[str, Aspect] = {
    "dns_mx": Aspect.MX,
    **dict.fromkeys(
        (
            *("mx.implicit", "mx.null_with_others", "mx.null_preference", "mx.host_is_cname"),
            *("mx.records_duplicate", "mx.host_is_address"),
        ),
        Aspect.MX,
    ),
    **dict.fromkeys(
        (
            *("sts.absent", "sts.record_multiple", "sts.record_syntax", "sts.record_ignored"),
            *("sts.policy_invalid", "sts.policy_lint", "sts.host_not_covered"),
            "sts.pattern_unused",
        ),
        Aspect.STS_RECORD,
    ),
    "tlsrpt": Aspect.TLSRPT,
    **dict.fromkeys(
        (
            *("dane.absent", "dane.mismatch", "dane.unusable", "dane.unusual"),
            *("dane.rollover", "dane.partial"),
        ),
        Aspect.TLSA,
    ),
    "spf": Aspect.SPF,
    "dkim": Aspect.DKIM,
    "dmarc": Aspect.DMARC,
    "nameservers.single": Aspect.NAMESERVERS,
}
"""The record that mends what a code (or all that begin so) says; what is wrong with a policy is
mended with a new id in the record."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One job of a service, when its target was good last, and what the diagnosis found other."""

    job: str
    good_at: datetime | None
    differences: tuple[Difference, ...]


def remembered_in(reader: LedgerReader, config: Config, domain: str) -> tuple[Remembered, ...]:
    """What the jobs of a service know of the domain from when it was good. Raises LedgerError."""
    return tuple(_remembered(reader, config, domain))


def _remembered(reader: LedgerReader, config: Config, domain: str) -> Iterator[Remembered]:
    for job in config.jobs.values():
        if job.kind not in _AREA_NAMES or KINDS[job.kind].host(job.target) != domain:
            continue
        snapshot = reader.snapshot(job.name)
        if snapshot is None:
            continue
        if snapshot.is_good:
            at = reader.good_run_at(job.name)
            yield Remembered(job.name, job.kind, at, snapshot.values)
        elif snapshot.good is not None:
            yield Remembered(job.name, job.kind, snapshot.good_at, snapshot.good)


def compared(diagnosis: Diagnosis) -> tuple[Compared, ...]:
    """The diagnosis beside what every job remembers."""
    known = {one.area.name: one.result.known for one in diagnosis.areas}
    return tuple(
        Compared(
            one.job,
            one.good_at,
            differences(one.values, known[one.kind], diagnosis.started_at),
        )
        for one in diagnosis.remembered
        if one.kind in known
    )


def mended_by(code: str, subject: str, known: tuple[Known, ...], at: datetime) -> datetime | None:
    """When everybody sees a record that takes the place of the one that `code` speaks of.

    None where no record mends it, or where nothing says how long others keep the old answer.
    """
    area, _, rest = code.partition(".")
    names = () if rest == "lookup_failed" else (code, area)
    aspect = next((_ASPECTS[name] for name in names if name in _ASPECTS), None)
    those = [one for one in known if one.aspect is aspect]
    meant = [one for one in those if one.subject in (subject, f"_dmarc.{subject}")]
    if aspect not in _OF_SEVERAL_NAMES:
        meant = meant or those
    instants = [by for one in meant if (by := visible_by(one, at)) is not None]
    return max(instants, default=None)
