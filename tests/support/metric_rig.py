"""What the metric tests are made of: finished values, a reader of expositions."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.metrics.exposition import Format
from exporter.metrics.metrics import Metrics
from exporter.model import (
    CanaryRecord,
    Change,
    Config,
    Job,
    Mailbox,
    Path,
    Route,
    Run,
    ServiceOptions,
)
from probes.canary.lifecycle import Event, Outcome, State
from probes.canary.message import MessageOptions
from probes.kinds.mx import MxTarget
from probes.mailboxes.imap.watch import ImapMailbox
from probes.options import Domain, EmailAddress, Host, IpAddress, Port, Secret
from probes.result import Failure, Part, Phase, PhaseTiming, ProbeResult, Reason, owner_of
from tests.support.clock import START

TOKEN = "mailcanary-a"


def read_openmetrics(text: str) -> list[Metric]:
    """The families of an OpenMetrics document as the reference parser reads them."""
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def config(
    *paths: str,
    jobs: tuple[str, ...] = (),
    route: str = "submission",
    phase_histograms: bool = False,
) -> Config:
    """A configuration of paths of one route kind, `mx` jobs, and the mailbox `box`."""
    service = ServiceOptions(
        *(IpAddress("127.0.0.1"), Port(0), "ledger", Host("us.test"), None, None, None),
        *(10, 1, 3600.0),
        phase_histograms=phase_histograms,
    )
    mailbox = Mailbox("box", "imap", ImapMailbox(Host("imap.them.test"), "b", Secret("x")))
    message = MessageOptions(EmailAddress("a@us.test"), EmailAddress("b@them.test"))
    return Config(
        source="test.yaml",
        service=service,
        routes={"out": Route("out", route, None)},
        mailboxes={"box": mailbox},
        paths={
            name: Path(name, Route("out", route, None), mailbox, message, 300, 60, 90, 900)
            for name in paths
        },
        jobs={name: Job(name, "mx", MxTarget(Domain("them.test")), 600, 60) for name in jobs},
    )


def failure(phase: Phase, reason: Reason) -> Failure:
    return Failure(phase, reason, "as it was", owner_of(phase, reason), is_transient=True)


def part(
    host: str,
    problem: Failure | None = None,
    *,
    seconds: float = 0.1,
    expires: str | None = None,
    address: str = "192.0.2.1",
) -> Part:
    timings = (PhaseTiming(Phase.CONNECT, 0, seconds),)
    facts = {"tls.certificate_not_after": expires}
    return Part(host, address, timings, problem, (), facts)


def run(
    name: str,
    *timings: tuple[Phase, float],
    problem: Failure | None = None,
    parts: tuple[Part, ...] = (),
    hosts: tuple[str, ...] = (),
    tick: int = 1,
) -> Run:
    """A run that began at START and took two seconds."""
    spans = tuple(PhaseTiming(phase, 0, seconds) for phase, seconds in timings)
    facts = {"mx.hosts": hosts}
    return Run(name, tick, ProbeResult("mx", START, 2.0, spans, problem, (), parts, facts))


_CANARY = CanaryRecord(
    token=TOKEN,
    path="a",
    mailbox="box",
    tick=1,
    state=State.PLANNED,
    outcome=None,
    planned_at=START,
    sending_at=START,
    accepted_at=START + timedelta(seconds=1),
    settled_at=None,
    late_after=90.0,
    lost_after=900.0,
)


def record(state: State, token: str = TOKEN, **changes: Any) -> CanaryRecord:
    """A canary on path `a` whose sending began at START and was accepted a second later."""
    return replace(_CANARY, state=state, token=token, **changes)


def change(
    event: Event,
    state: State,
    outcome: Outcome | None = None,
    at: datetime = START,
    **changes: Any,
) -> Change:
    """One step of that canary; `outcome` is counted."""
    return Change(record(state, outcome=outcome, **changes), event, outcome, at)


@lru_cache(maxsize=2)
def _families(text: str) -> tuple[Metric, ...]:
    """Return the families of a text; many a test asks for one series after the other."""
    return tuple(read_text(text))


def _values(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the label values in the order of their names, the vantage apart."""
    return tuple(value for name, value in sorted(labels.items()) if name != "vantage")


class Reader:
    """Reads what a Metrics says right now, by metric name and label values."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def text(self, fmt: Format = Format.TEXT) -> str:
        return b"".join(self._metrics.chunks(fmt)).decode()

    def series(self, prefix: str = "mailcanary_") -> dict[tuple[str, ...], float]:
        """(name, label values in the order of their names sorted) -> value; not the vantage."""
        return {
            (sample.name, *_values(sample.labels)): sample.value
            for family in _families(self.text())
            for sample in family.samples
            if sample.name.startswith(prefix)
        }

    def __call__(self, name: str, *labels: str) -> float | None:
        """The value of one series, None if there is none."""
        return self.series().get((f"mailcanary_{name}", *labels))

    def exemplar_tokens(self) -> set[str]:
        return {
            sample.exemplar.labels["token"]
            for family in read_openmetrics(self.text(Format.OPENMETRICS))
            for sample in family.samples
            if sample.exemplar is not None
        }
