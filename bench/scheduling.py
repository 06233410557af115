"""Our side of the schedule: so many jobs of an hour each, and nothing that runs takes time."""

import asyncio
import time

from bench.worker import Answer, main, serve
from exporter.service.scheduler import Entry, Scheduler

EVERY = 3600.0


async def _run_nothing(name: str, tick: int) -> None:
    """A run that is over at once: the scheduler alone is measured."""


def _no_bug(error: BaseException) -> None:
    raise error


async def run(jobs: int) -> None:
    """Answer {seconds} with the share of one CPU that was used meanwhile, in percent."""
    missed = 0

    def on_missed(_: str, count: int) -> None:
        nonlocal missed
        missed += count

    scheduler = Scheduler(
        _run_nothing,
        max_concurrent=50,
        max_concurrent_per_host=1,
        on_missed=on_missed,
        on_bug=_no_bug,
    )
    scheduler.replace(Entry(f"job{n}", EVERY, f"host{n}.test") for n in range(jobs))
    task = asyncio.create_task(scheduler.run())

    async def handle(request: Answer) -> Answer:
        began = time.process_time()
        await asyncio.sleep(request["seconds"])
        used = time.process_time() - began
        return {"percent": used / request["seconds"] * 100, "missed": missed}

    await serve(handle, {"ready": True})
    await scheduler.stop(0)
    task.cancel()


if __name__ == "__main__":
    main(run)
