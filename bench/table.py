"""The figures of the bench, what they are to reach, and how they are shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure by its JSON name: what it says, and the value it may have at most.

    None: it is measured beside the others, and nothing was promised.
    """

    name: str
    summary: str
    to_reach: float | None


GOALS = (
    Goal("handshake_starttls_cpu_vs_blackbox", "CPU of a STARTTLS probe / blackbox", 0.80),
    Goal("handshake_plain_cpu_vs_blackbox", "CPU of a plain probe / blackbox", 0.40),
    Goal("handshake_starttls_cpu_vs_floor", "CPU of a STARTTLS probe / bare asyncio", 1.25),
    Goal("mx_and_handshake_cpu_vs_blackbox", "CPU of an MX probe / blackbox dns + tcp", 0.75),
    Goal("post_tls_ehlo_ms", "EHLO after TLS with Postfix, ms", 1),
    Goal("detection_p50_ms", "delivery to sighting with Dovecot, ms", 60),
    Goal("roundtrip_cpu_ms", "CPU of a canary without its sending, ms", 0.5),
    Goal("roundtrip_with_sending_records_cpu_ms", "the same with the records of it, ms", None),
    Goal("true_time_p99_ms_1000_in_flight", "error of times at 60 % CPU at most, p99, ms", 5),
    Goal("rss_mb_1000_tls_sessions", "resident with 1,000 TLS sessions, MB", 110),
    Goal("scrape_10k_series_loop_ms", "loop time of a scrape of 10,000 series, ms", 10),
    Goal("scrape_100k_series_loop_stall_ms", "longest stall, scrape of 100,000, ms", 20),
    Goal("scrape_10k_jobs_s", "whole scrape of 10,000 jobs, s", 5),
    Goal("scrape_10k_jobs_loop_stall_ms", "longest stall in it, ms", 20),
    Goal("scheduler_100k_jobs_idle_cpu_percent", "scheduler with 100,000 jobs, % CPU", 5),
    Goal("help_ms", "mailcanary --help, ms", 200),
    Goal("demo_ready_ms", "mailcanary demo until it is ready, ms", 2000),
    Goal("diagnose_4mx_2addr_rounds", "diagnose of 8 addresses / one session", 1.5),
    Goal("diagnose_mx_only_4mx_2addr_rounds", "the same with --only mx", None),
    Goal("scheduled_domains_cpu_vs_blackbox", "CPU of a scheduled MX run / blackbox tcp", 1),
    Goal("diagnose_first_line_ms", "diagnose until its first line, ms", 500),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured figure.

    `ours` and `peer` are in `unit`; `value` is what is compared with the goal. `rounds` are the
    single values whose median `value` is, for whoever wants to know how steady it was. `note` says
    under which circumstances it was measured.
    """

    name: str
    value: float
    ours: float
    unit: str
    peer: float | None = None
    peer_name: str | None = None
    rounds: tuple[float, ...] = ()
    note: str = ""


def to_document(
    measured: Iterable[Measured], failed: Mapping[str, str], goals: Iterable[Goal] = GOALS
) -> dict[str, dict[str, Any]]:
    """Every goal by its JSON name; what could not be measured has no value but an `error`.

    `failed` says by name why a figure could not be measured.
    """
    found = {figure.name: figure for figure in measured}
    return {goal.name: _entry(goal, found.get(goal.name), failed) for goal in goals}


def _entry(goal: Goal, figure: Measured | None, failed: Mapping[str, str]) -> dict[str, Any]:
    if figure is None:
        error = failed.get(goal.name, "not measured")
        return {"value": None, "to_reach": goal.to_reach, "reached": False, "error": error}
    return {
        "value": round(figure.value, 4),
        "to_reach": goal.to_reach,
        "reached": goal.to_reach is None or figure.value <= goal.to_reach,
        "ours": round(figure.ours, 4),
        "unit": figure.unit,
        "peer": None if figure.peer is None else round(figure.peer, 4),
        "peer_name": figure.peer_name,
        "rounds": [round(value, 4) for value in figure.rounds],
        "note": figure.note,
    }


def to_table(document: Mapping[str, Mapping[str, Any]], goals: Iterable[Goal] = GOALS) -> str:
    """The document of `to_document` as aligned lines."""
    rows = [("figure", "value", "to reach", "reached", "ours", "peer")]
    for goal in goals:
        entry = document[goal.name]
        if entry["value"] is None:
            rows.append((goal.summary, "-", _goal(goal), "no", "-", entry["error"]))
            continue
        ours = f"{entry['ours']:.3g} {entry['unit']}"
        reached = "yes" if entry["reached"] else "no"
        value = f"{entry['value']:.3g}"
        rows.append((goal.summary, value, _goal(goal), reached, ours, _peer(entry)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


def _goal(goal: Goal) -> str:
    return "" if goal.to_reach is None else f"{goal.to_reach:g}"


def _peer(entry: Mapping[str, Any]) -> str:
    if entry["peer"] is None:
        return str(entry["note"])
    return f"{entry['peer']:.3g} {entry['unit']} ({entry['peer_name']})"
