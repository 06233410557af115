"""A diagnosis compared with stored runs, and the instant at which every resolver sees a mended
record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from exporter.analysis.target_changes import Difference, differences, visible_by
from exporter.diagnose.areas import AREAS
from exporter.diagnose.diagnosis import Diagnosis, Remembered
from exporter.ledger.reader import LedgerReader
from exporter.model import Config
from probes.registry.rows import KINDS
from probes.result import Aspect, Known

_AREA_NAMES = frozenset(area.name for area in AREAS)

_OF_SEVERAL_NAMES = frozenset({Aspect.SPF, Aspect.DKIM, Aspect.DMARC})
"""Of these a finding may be about somebody else's record, which only its subject tells."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One job of a service, the last time its target was good, and the differences found now."""

    job: str
    good_at: datetime | None
    differences: tuple[Difference, ...]


def remembered_in(reader: LedgerReader, config: Config, domain: str) -> tuple[Remembered, ...]:
    """Return the values that the jobs of a service stored when the domain was good. Raises
    LedgerError.
    """
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
    """Return the diagnosis beside the stored values of every job."""
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


def mended_by(
    aspect: Aspect | None, subject: str, known: tuple[Known, ...], at: datetime
) -> datetime | None:
    """Return when everybody sees a record that takes the place of the present one.

    `aspect` is the record that mends what is wrong with `subject`. None if no record mends it, or
    if nothing says how long others keep the old answer.
    """
    those = [one for one in known if one.aspect is aspect]
    meant = [one for one in those if one.subject in (subject, f"_dmarc.{subject}")]
    if aspect not in _OF_SEVERAL_NAMES:
        meant = meant or those
    instants = [by for one in meant if (by := visible_by(one, at)) is not None]
    return max(instants, default=None)
