"""`./run bench [--json FILE] [--rounds N]`: every figure, measured in one run on this machine."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import uvloop

from bench import diagnosing, handshakes, mail, scheduled, service, true_time
from bench.table import Measured, to_document, to_table

PROBES_PER_ROUND = 300
ROUNDS = 7
LONG_ROUNDS = 3

Family = tuple[tuple[str, ...], Callable[[Path, int], Awaitable[Sequence[Measured]]]]


async def _handshakes(folder: Path, rounds: int) -> Sequence[Measured]:
    return await handshakes.measure(folder, rounds, PROBES_PER_ROUND)


async def _postfix(folder: Path, rounds: int) -> Sequence[Measured]:  # noqa: ARG001
    return [await mail.post_tls_ehlo(folder)]


async def _canaries(folder: Path, rounds: int) -> Sequence[Measured]:
    return await mail.canaries(folder, rounds)


async def _true_time(folder: Path, rounds: int) -> Sequence[Measured]:  # noqa: ARG001
    return [await true_time.measured()]


async def _scrapes(folder: Path, rounds: int) -> Sequence[Measured]:  # noqa: ARG001
    return await service.scrapes()


async def _many_jobs(folder: Path, rounds: int) -> Sequence[Measured]:  # noqa: ARG001
    return await service.scrape_of_many_jobs()


async def _schedule(folder: Path, rounds: int) -> Sequence[Measured]:  # noqa: ARG001
    return [await service.schedule()]


async def _starting(folder: Path, rounds: int) -> Sequence[Measured]:  # noqa: ARG001
    return await service.starting()


async def _domains(folder: Path, rounds: int) -> Sequence[Measured]:
    return [await scheduled.domains(folder, min(rounds, LONG_ROUNDS))]


async def _diagnoses(folder: Path, rounds: int) -> Sequence[Measured]:
    return await diagnosing.rounds_of_sessions(folder, rounds)


async def _first_lines(folder: Path, rounds: int) -> Sequence[Measured]:  # noqa: ARG001
    return [await diagnosing.first_line()]


FAMILIES: tuple[Family, ...] = (
    (
        (
            "handshake_starttls_cpu_vs_blackbox",
            "handshake_plain_cpu_vs_blackbox",
            "handshake_starttls_cpu_vs_floor",
            "mx_and_handshake_cpu_vs_blackbox",
            "rss_mb_1000_tls_sessions",
        ),
        _handshakes,
    ),
    (("post_tls_ehlo_ms",), _postfix),
    (
        ("detection_p50_ms", "roundtrip_cpu_ms", "roundtrip_with_sending_records_cpu_ms"),
        _canaries,
    ),
    (("true_time_p99_ms_1000_in_flight",), _true_time),
    (("scrape_10k_series_loop_ms", "scrape_100k_series_loop_stall_ms"), _scrapes),
    (("scrape_10k_jobs_s", "scrape_10k_jobs_loop_stall_ms"), _many_jobs),
    (("scheduler_100k_jobs_idle_cpu_percent",), _schedule),
    (("help_ms", "demo_ready_ms"), _starting),
    (("diagnose_4mx_2addr_rounds", "diagnose_mx_only_4mx_2addr_rounds"), _diagnoses),
    (("scheduled_domains_cpu_vs_blackbox",), _domains),
    (("diagnose_first_line_ms",), _first_lines),
)
"""Which figures are measured together, by what."""


async def measure(families: Iterable[Family], rounds: int) -> tuple[list[Measured], dict[str, str]]:
    """Every figure that could be measured, and by name why the others could not."""
    measured: list[Measured] = []
    failed: dict[str, str] = {}
    for names, family in families:
        with tempfile.TemporaryDirectory(prefix="mailcanary-bench-") as folder:
            try:
                measured += await family(Path(folder), rounds)
            except Exception as error:  # noqa: BLE001 - the other figures are wanted all the same
                why = f"{type(error).__name__}: {error}".splitlines()[0]
                failed.update(dict.fromkeys(names, why))
    return measured, failed


def main() -> int:
    """Print the table; exit code 1 when a figure could not be measured or misses its goal."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    parser.add_argument("--only", metavar="WORD", help="families with a figure of such a name")
    chosen = parser.parse_args()
    word = chosen.only or ""
    families = [family for family in FAMILIES if any(word in name for name in family[0])]
    measured, failed = uvloop.run(measure(families, chosen.rounds))
    document = to_document(measured, failed)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    sys.stdout.write(f"{platform.platform()}, Python {platform.python_version()}\n\n")
    sys.stdout.write(to_table(document))
    return 0 if all(entry["reached"] for entry in document.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
