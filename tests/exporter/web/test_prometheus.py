"""The exposition and the documented queries before the real Prometheus and its linter."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from exporter.metrics.exposition import Format
from exporter.metrics.families import FAMILIES
from exporter.metrics.metrics import Metrics
from exporter.service.loop_monitor import LoopMonitor
from exporter.web.application import HttpState
from exporter.web.server import serve
from probes.canary.lifecycle import Event, Outcome, State
from probes.clock import SYSTEM_CLOCK
from probes.result import Phase, Reason
from tests.exporter.metrics.test_docs import sections
from tests.exporter.metrics.test_evidence_values import FULL, examined
from tests.servers.real import needs, program
from tests.support.metric_rig import TOKEN, Reader, change, config, failure, part, run
from tests.support.ports import reserved_port

LOOPBACK = "127.0.0.1"

CONFIG = """
global: {{scrape_interval: {every}, scrape_timeout: {every}}}
scrape_configs:
  - job_name: mailcanary
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def busy_metrics() -> Metrics:
    """Metrics in which every family has a series."""
    metrics = Metrics("1.2.3", SYSTEM_CLOCK)
    metrics.configure(config("a", jobs=("mx-them",), phase_histograms=True))
    problem = failure(Phase.CONNECT, Reason.TIMEOUT)
    now = SYSTEM_CLOCK.utc()
    metrics.canary_changed(
        change(
            *(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, now),
            sending_at=now,
            round_trip=2.0,
            resolution=0.1,
        )
    )
    metrics.canary_changed(change(Event.HANDED_OVER, State.ACCEPTED, token="next"))
    parts = (part("mx.test", expires="2027-01-01T00:00:00+00:00"), part("mx.test", problem))
    for name in ("a", "mx-them"):
        metrics.run_finished(run(name, problem=problem))
    done = run("mx-them", parts=parts, hosts=("mx.test",))
    metrics.run_finished(replace(done, result=replace(done.result, started_at=now)))
    metrics.mailbox_watch("box", is_up=False, failure=problem)
    metrics.mailbox_watch("box", is_up=True, failure=None)
    metrics.cleaned("box", ok=True)
    metrics.copy_examined(examined(FULL))
    metrics.suspects({("route", "out"): 2})
    metrics.loop_lag(0.001)
    metrics.task_restarted("expiry")
    metrics.connection_dropped("idle")
    return metrics


async def promtool(*arguments: str, stdin: str = "") -> tuple[int, str]:
    """Exit status and everything it said."""
    process = await asyncio.create_subprocess_exec(
        program("promtool"),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(stdin.encode())
    return process.returncode or 0, output.decode()


@needs("prometheus")
async def test_the_linter_has_nothing_to_say_about_our_metrics() -> None:
    text = Reader(busy_metrics()).text(Format.TEXT)
    lines = text.splitlines()
    for family in FAMILIES:
        after = lines[lines.index(f"# TYPE {family.name} {family.type}") + 1]
        assert after.startswith(family.name), "a family without a series is not linted"
    ours, process = text.split("# HELP process_", 1)
    assert await promtool("check", "metrics", stdin=ours) == (0, "")
    status, _ = await promtool("check", "metrics", stdin="# HELP process_" + process)
    assert status in (0, 3)  # 3: opinions about names that every Prometheus client shares


@needs("prometheus")
async def test_every_documented_query_is_a_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"example:{name}", "expr": match["query"]} for name, match in sections().items()
    ]
    page = tmp_path / "rules.json"
    page.write_text(json.dumps({"groups": [{"name": "examples", "rules": rules}]}), "utf-8")
    status, output = await promtool("check", "rules", str(page))
    assert status == 0, output
    assert f"{len(rules)} rules found" in output


@asynccontextmanager
async def prometheus(
    tmp_path: Path, target: int, every: str = "100ms"
) -> AsyncIterator[httpx.AsyncClient]:
    """A real Prometheus that scrapes `target`, ten times a second if not told otherwise."""
    with reserved_port() as port, (tmp_path / "prometheus.log").open("wb") as log:
        (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=target, every=every), "utf-8")
        process = await asyncio.create_subprocess_exec(
            program("prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--enable-feature=exemplar-storage",
            stdout=log,
            stderr=log,
        )
        try:
            base = f"http://{LOOPBACK}:{port}/api/v1"
            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                yield client
        finally:
            process.terminate()
            await process.wait()


async def answer(client: httpx.AsyncClient, path: str, parameters: Mapping[str, str]) -> Any:
    """The first answer that is not empty; Prometheus may still be starting or scraping."""
    async with asyncio.timeout(30):
        while True:
            try:
                data = (await client.get(path, params=dict(parameters))).json()["data"]
            except (httpx.TransportError, ValueError):
                data = None
            found = data["result"] if isinstance(data, dict) else data
            if found:
                return found
            await asyncio.sleep(0.05)


@needs("prometheus")
async def test_prometheus_stores_the_values_and_the_token_behind_them(tmp_path: Path) -> None:
    metrics = busy_metrics()
    monitor = LoopMonitor(metrics.loop_lag)
    state = HttpState(metrics, monitor, lambda: ())
    async with monitor, serve(state, LOOPBACK, 0) as port, prometheus(tmp_path, port) as client:
        query = {"query": 'mailcanary_canaries_total{outcome="arrived"}'}
        (arrived,) = await answer(client, "/query", query)
        assert arrived["metric"]["path"] == "a"
        assert arrived["value"][1] == "1"
        quantile = "histogram_quantile(0.5, mailcanary_round_trip_seconds_bucket)"
        (median,) = await answer(client, "/query", {"query": quantile})
        assert 1 < float(median["value"][1]) <= 5  # the bounds of its bucket
        window = {
            "query": "mailcanary_round_trip_seconds_bucket",
            "start": str(SYSTEM_CLOCK.utc().timestamp() - 600),
            "end": str(SYSTEM_CLOCK.utc().timestamp() + 600),
        }
        (stored,) = await answer(client, "/query_exemplars", window)
        (exemplar,) = stored["exemplars"]
        assert exemplar["labels"] == {"token": TOKEN}
        assert float(exemplar["value"]) == 2.0
        (up,) = await answer(client, "/query", {"query": "scrape_samples_scraped"})
        assert float(up["value"][1]) > 100
