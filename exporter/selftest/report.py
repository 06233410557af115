"""All outcomes together: figures, the exit code, the JSON document."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporter.reports.exit_codes import ExitCode
from exporter.selftest.case import expected_by
from exporter.selftest.runner import Outcome
from probes.catalogue import AREAS, ENTRIES
from probes.documents import to_json

SCHEMA_VERSION = 1
"""The version of the document that `document` makes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of outcomes, never computed from expectations.

    `codes` are those that some case expects, `fired` those of them that were found in every such
    case, as grave as they should be. `silences` counts codes that a case did not expect and did not
    find, case by case; `outbursts` those that it found.
    """

    codes: int
    fired: int
    silences: int
    outbursts: int


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Of the cases that could be performed."""
    tried = [one for one in outcomes if not one.untried and not one.bug]
    expected = expected_by(one.case for one in outcomes)
    failed = {code for one in outcomes for code, _ in one.missing}
    failed |= {code for one in outcomes if one.untried or one.bug for code in one.case.codes}
    silences = outbursts = 0
    for one in tried:
        found = {code for code, _ in one.told}
        outbursts += len(found - one.case.codes)
        silences += len(ENTRIES.keys() - one.case.codes - found)
    return Figures(len(expected), len(expected - failed), silences, outbursts)


def codes_of(area: str, outcomes: Sequence[Outcome]) -> int:
    """How many codes of an area of the catalogue some case expects."""
    return len({entry.code for entry in AREAS[area]} & expected_by(one.case for one in outcomes))


def exit_code(outcomes: Sequence[Outcome]) -> ExitCode:
    """FAILURE where a case disagrees, UNTESTABLE where one could not be performed."""
    if not all(one.is_right for one in outcomes):
        return ExitCode.FAILURE
    return ExitCode.UNTESTABLE if any(one.untried for one in outcomes) else ExitCode.OK


def document(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """The document of `selftest --json`, in JSON types."""
    counted = figures(outcomes)
    areas = [area for area in AREAS if any(one.case.area == area for one in outcomes)]
    return {
        "version": SCHEMA_VERSION,
        "ok": exit_code(outcomes) is ExitCode.OK,
        "seconds": round(seconds, 3),
        "codes": counted.codes,
        "fired": counted.fired,
        "silences": counted.silences,
        "outbursts": counted.outbursts,
        "areas": [_area(area, outcomes) for area in areas],
        "cases": [_case(one) for one in outcomes],
    }


def _area(area: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    own = [one for one in outcomes if one.case.area == area]
    return {
        "name": area,
        "ok": exit_code(own) is ExitCode.OK,
        "codes": codes_of(area, outcomes),
        "cases": len(own),
    }


def _case(one: Outcome) -> dict[str, Any]:
    return {
        "area": one.case.area,
        "name": one.case.name,
        "ok": one.is_right and not one.untried,
        "seconds": round(one.seconds, 3),
        "expected": [
            {"code": code, "status": status.value} for code, status in sorted(one.case.expected)
        ],
        "found": to_json(one.found),
        "failures": to_json(one.failures),
        "untried": one.untried or None,
        "bug": one.bug or None,
    }
