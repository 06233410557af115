"""`GET /probe`: one probe on demand, for Prometheus set-ups that shard their targets by URL.

`module` is the name of a job, whose options are taken, or of a kind that needs no more than a
domain. `target` is the domain; only configured ones are probed, so that no stranger aims our
prober.
"""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import MISSING, fields, replace
from difflib import get_close_matches

from exporter.model import Config, Job
from exporter.service.runs import probe
from exporter.web.probe_metrics import metrics_of
from probes.documents import to_json
from probes.net import Net
from probes.net.address_limiter import AddressLimiter
from probes.records import RecordError
from probes.records.address import domain_of, parse_domain
from probes.registry.plugins import PluginError
from probes.registry.rows import DEFAULT_KIND, KINDS
from probes.result import ProbeResult, one_line
from probes.trace import Line, Step

TIMEOUT_HEADER = "x-prometheus-scrape-timeout-seconds"
TIMEOUT_OFFSET = 0.5
"""Seconds kept back of Prometheus' timeout, for the way of the answer."""

MAX_SECONDS = 25.0
MAX_AT_ONCE = 10
"""Probes that run at the same time by request; more are answered 503."""

MAX_PER_ADDRESS = 1
"""Sessions of such probes with one address at the same time, beside those of scheduled runs."""

MAX_LINES = 2000
"""Steps and lines of dialogue that a transcript holds."""

_KNOWN = frozenset({"target", "module", "debug"})

Answer = tuple[int, str]
"""HTTP status and text."""


class _Refused(Exception):
    """A request that is not probed; carries its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Prober:
    """Answers requests from the configuration in force.

    Its probes have places of their own at each address: a stranger who asks never makes a scheduled
    run wait for its session.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        net: Callable[[], Net],
        inform: Callable[[Job], Awaitable[Job]] | None = None,
    ) -> None:
        """`inform` adds to a job the DKIM selectors that canaries showed."""
        self._config = config
        self._net = net
        self._inform = inform
        self._running = 0
        self._limiter = AddressLimiter(MAX_PER_ADDRESS)

    async def answer(self, query: Mapping[str, str], timeout: str | None) -> Answer:
        """The metrics of one run, or why there is none; `timeout` is the header of Prometheus."""
        try:
            job = _job(self._config(), query)
            deadline = _deadline(job.deadline, timeout)
        except _Refused as refused:
            return refused.status, f"{one_line(str(refused))}\n"
        except PluginError as error:
            return 500, f"{error}\n"
        if self._running >= MAX_AT_ONCE:
            return 503, f"{MAX_AT_ONCE} probes are running already\n"
        transcript = _Transcript() if query.get("debug") == "true" else None
        self._running += 1
        try:
            job = job if self._inform is None else await self._inform(job)
            job = replace(job, deadline=deadline)
            net = replace(self._net(), limiter=self._limiter)
            if transcript is None:
                run = await probe(job, 0, net)
            else:
                run = await probe(job, 0, net, transcript.step, on_line=transcript.line)
        finally:
            self._running -= 1
        if transcript is not None:
            return 200, transcript.page(run.result)
        return 200, metrics_of(run.result)


def allowed(config: Config) -> frozenset[str]:
    """The domains and hosts that may be asked for: the configured ones, and `probe_targets`."""
    jobs = {KINDS[job.kind].host(job.target) for job in config.jobs.values()}
    paths = {
        domain_of(address)
        for path in config.paths.values()
        for address in (path.message.mail_from, path.message.rcpt_to)
    }
    return frozenset(str(name).lower() for name in (*jobs, *paths, *config.service.probe_targets))


def _job(config: Config, query: Mapping[str, str]) -> Job:
    """The job of the request, with its target."""
    unknown = sorted(set(query) - _KNOWN)
    if unknown:
        raise _Refused(400, f"unknown parameter {unknown[0][:40]!r}; target, module, debug")
    typed, name = query.get("target", ""), query.get("module", DEFAULT_KIND)
    job = config.jobs.get(name)
    if job is None and not _needs_domain_only(name):
        known = [*config.jobs, *(kind for kind in KINDS if _needs_domain_only(kind))]
        alike = get_close_matches(name[:80], known, n=1) or known
        raise _Refused(404, f"no job or kind {name[:80]!r}; there is {', '.join(alike)}")
    domain = _domain(typed, config)
    if job is None:
        target = KINDS[name].target(domain=domain)
        return Job(name, name, target, every=MAX_SECONDS, deadline=MAX_SECONDS)
    if KINDS[job.kind].host(job.target) == domain:
        return job
    if "domain" not in {field.name for field in fields(job.target)}:
        # a password of ours goes to the host it is for and to no other
        raise _Refused(403, f"the job {name!r} has one target, its own host")
    return replace(job, target=replace(job.target, domain=domain))


def _domain(typed: str, config: Config) -> str:
    try:
        domain = parse_domain(typed.strip().removesuffix("."))
    except RecordError as error:
        raise _Refused(400, f"target: {error}") from error
    if domain not in allowed(config):
        raise _Refused(403, f"{domain} is not configured here; add it to `probe_targets`")
    return domain


def _needs_domain_only(name: str) -> bool:
    kind = KINDS.get(name)
    if kind is None:
        return False
    needed = [field.name for field in fields(kind.target) if field.default is MISSING]
    return needed == ["domain"]


def _deadline(usual: float, header: str | None) -> float:
    """The deadline of the job, or less if Prometheus does not wait as long. Seconds."""
    limit = MAX_SECONDS
    if header is not None:
        try:
            told = float(header)
        except ValueError:
            told = math.nan
        if not (math.isfinite(told) and told > 0):
            raise _Refused(400, f"{TIMEOUT_HEADER}: {header[:40]!r} are no seconds")
        # a wait that is all offset leaves half of itself for the probe
        limit = min(limit, max(told - TIMEOUT_OFFSET, told / 2))
    return min(usual, limit)


class _Transcript:
    """The text of `debug=true` for a person: every step and every line of dialogue as they
    happened.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def step(self, step: Step) -> None:
        """A step that has ended."""
        if step.timing is not None:
            said = f"{step.failure.reason}: {step.failure.detail}" if step.failure else "ok"
            ended = step.timing.start + step.timing.seconds
            took = f"{step.timing.seconds:.3f} s"
            self._add(ended, step.host, step.address, f"{step.phase} {took} {said}")

    def line(self, line: Line) -> None:
        """The lines of the dialogue."""
        self._add(line.at, line.host, line.address, line.text)

    def page(self, result: ProbeResult) -> str:
        """All of it, the metrics, and the whole result as JSON."""
        document = json.dumps(to_json(result), indent=2)
        return "\n".join((*self._lines, "", metrics_of(result), document, ""))

    def _add(self, at: float, host: str | None, address: str | None, text: str) -> None:
        if len(self._lines) < MAX_LINES:
            where = " ".join(filter(None, (host, address)))
            self._lines.append(one_line(f"{at:8.3f} s  {where}  {text}"))
