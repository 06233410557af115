"""mailcanary and a real Prometheus inside the chain, and questions to that Prometheus."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.ledger.reader import reading
from exporter.web.probe import TIMEOUT_HEADER
from tests.integration.chain import layout
from tests.integration.chain.chain import Chain, Process
from tests.integration.chain.daemons import ChainError
from tests.integration.chain.templating import fill
from tests.servers.real import program
from tests.support.processes import MAILCANARY

METRICS_ADDRESS = "127.0.0.1:10587"
PROMETHEUS_ADDRESS = "127.0.0.1:9090"
ASK_EVERY = 0.3
WORTH_TELLING = (
    '{__name__=~"mailcanary_(canaries|failures|mailbox_failures|probe_failures)_total"} > 0'
    ' or {__name__=~"up|mailcanary_(path_up|probe_up|mailbox_up|ledger_errors_total)"}'
)
"""What the reader of a failed wait wants to see first."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant vector."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Watched:
    """A chain that mailcanary watches and Prometheus scrapes."""

    chain: Chain
    service: Process

    def promql(self, query: str) -> tuple[Sample, ...]:
        """What Prometheus answers now. Raises ChainError for a query it does not understand."""
        url = f"http://{PROMETHEUS_ADDRESS}"
        asked = self.chain.run([program("promtool"), "query", "instant", "-o", "json", url, query])
        rows = json.loads(asked.stdout)
        return tuple(Sample(row["metric"], float(row["value"][1])) for row in rows)

    def probe(self, query: str, timeout: str) -> str:
        """What `/probe` answers, asked as Prometheus asks with that scrape timeout. Seconds."""
        code = (
            "import sys, urllib.request as r; "
            "request = r.Request(sys.argv[1], headers={sys.argv[2]: sys.argv[3]}); "
            "sys.stdout.write(r.urlopen(request, timeout=20).read().decode())"
        )
        url = f"http://{METRICS_ADDRESS}/probe?{query}"
        return self.chain.python(code, url, TIMEOUT_HEADER, timeout)

    def wait_for(self, query: str, within: float = 45.0) -> tuple[Sample, ...]:
        """Ask until the answer is not empty: write a comparison that is false until then."""
        end = time.monotonic() + within
        while not (answer := self.promql(query)):
            if time.monotonic() > end or self.service.poll() is not None:
                raise AssertionError(f"{query} stayed empty for {within:.0f} s{self._story()}")
            time.sleep(ASK_EVERY)
        return answer

    def wait_for_evidence(
        self, path: str, copies: int = 1, within: float = 20.0
    ) -> tuple[Mapping[str, Any], ...]:
        """The documents of the path's newest canary that has so many, read from the ledger."""
        end = time.monotonic() + within
        while True:
            with reading(str(self.chain.place.root / "service" / "mailcanary.sqlite")) as ledger:
                for record in ledger.recent(path, 20):
                    documents = ledger.evidence(record.token)
                    if len(documents) >= copies:
                        return documents
            if time.monotonic() > end or self.service.poll() is not None:
                raise AssertionError(f"no evidence of {path}{self._story()}")
            time.sleep(ASK_EVERY)

    def value(self, query: str) -> float:
        """The value of a query that has exactly one series."""
        (sample,) = self.promql(query)
        return sample.value

    def _story(self) -> str:
        known = "\n".join(
            f"{sample.labels} {sample.value:g}" for sample in self.promql(WORTH_TELLING)
        )
        return f"\n{known}\n{self.service.output[-4000:]}"


@contextmanager
def watched(chain: Chain) -> Iterator[Watched]:
    """Start Prometheus and `mailcanary serve` inside, for the length of the `with`."""
    serve = serve_command(write_config(chain))
    secrets = {"CHAIN_PASSWORD": layout.PASSWORD}
    with (
        chain.running("prometheus", _prometheus(chain)),
        chain.running("mailcanary", serve, secrets) as service,
    ):
        watch = Watched(chain, service)
        _wait_for_prometheus(watch)
        yield watch


def write_config(chain: Chain) -> Path:
    """The service's configuration file, the same on both sides of the namespaces."""
    config = chain.place.root / "service" / "mailcanary.yaml"
    names = {"root": str(chain.place.root), "metrics_address": METRICS_ADDRESS}
    fill("mailcanary.yaml", config, names)
    return config


def serve_command(config: Path) -> list[str]:
    """`mailcanary serve` with the interpreter that runs the tests."""
    return [*MAILCANARY, "serve", "--config", str(config)]


def _prometheus(chain: Chain) -> list[str]:
    directory = chain.place.root / "prometheus"
    fill("prometheus.yml", directory / "prometheus.yml", {"metrics_address": METRICS_ADDRESS})
    return [
        program("prometheus"),
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={PROMETHEUS_ADDRESS}",
        "--enable-feature=exemplar-storage",
    ]


def _wait_for_prometheus(watch: Watched, within: float = 30.0) -> None:
    end = time.monotonic() + within
    while True:
        try:
            watch.promql("vector(1)")
        except ChainError:
            if time.monotonic() > end:
                raise
            time.sleep(ASK_EVERY)
        else:
            return
