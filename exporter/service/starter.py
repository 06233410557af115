"""One slot of the schedule has come: the path's canary is sent, or the job is run."""

from collections.abc import Callable

from exporter.ledger.ledger import Ledger
from exporter.model import Config, Job
from exporter.service.known_selectors import with_known_selectors
from exporter.service.publisher import Publisher
from exporter.service.run_buffer import RunBuffer
from exporter.service.runs import finish, probe, send
from probes.clock import Clock
from probes.net import Net
from probes.run import Lag


class Starter:
    """Runs a path or job by its name; `config` and `net` are asked anew for every run."""

    def __init__(
        self,
        config: Callable[[], Config],
        net: Callable[[], Net],
        ledger: Ledger,
        run_buffer: RunBuffer,
        publisher: Publisher,
        lag: Lag,
        clock: Clock,
    ) -> None:
        self._config = config
        self._net = net
        self._ledger = ledger
        self._run_buffer = run_buffer
        self._publisher = publisher
        self._lag = lag
        self._clock = clock

    async def start(self, name: str, tick: int) -> None:
        """Run it in this slot, to its end; nothing where it is no longer configured."""
        with self._publisher.attempting(f"{name}: not started"):
            config = self._config()
            if name in config.paths:
                path = config.paths[name]
                net = self._net()
                await send(path, tick, net, self._ledger, self._publisher, lag=self._lag)
            elif name in config.jobs:
                await self._run_job(config.jobs[name], tick)

    async def with_known_selectors(self, job: Job) -> Job:
        """Return the job with the selectors of our canaries; unchanged if the ledger refuses."""
        with self._publisher.attempting(f"{job.name}: DKIM selectors of canaries not read"):
            return await with_known_selectors(job, self._ledger, self._clock.utc())
        return job

    async def _run_job(self, job: Job, tick: int) -> None:
        known = await self.with_known_selectors(job)
        run = await probe(known, tick, self._net(), lag=self._lag)
        finish(run, self._run_buffer, self._publisher)
