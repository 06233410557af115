"""No public reader of strangers' text is missing in the tests of linear time."""

import inspect
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from types import CodeType, FrameType
from typing import Any

import pytest

import probes.records
from probes.records import RecordError
from tests.probes.canary.test_linear_time import READERS
from tests.probes.records.test_linear_time import GROUPS
from tests.support.linear_time import Case

pytestmark = pytest.mark.slow("calls every reader")

SHORT = 60
"""Characters with which a reader is called here: it only has to be reached."""

_TEXT = (str, bytes, "str", "bytes", "str | None")

NOT_A_READER = {
    "dmarc.discovery.discover": "asks; parse_dmarc reads",
    "dmarc.discovery.walk_up": "asks; parse_dmarc reads",
    "dmarc.reports.authorisation": "asks; parse_dmarc reads",
    "dnsbl.query_name": "an IP address of the configuration",
    "signatures.dkim_signing.sign": "our own message",
    "smtp_command.stuffed": "our own message",
    "special_addresses.is_link_local_or_metadata": "an IP address of a resolved name",
    "spf.check_host.check_host": "asks; parse_spf reads",
    "spf.cost.worst_case": "asks; parse_spf reads",
}
"""Public functions whose text is ours or was read before, with the reason."""


def _functions() -> Iterator[tuple[str, CodeType]]:
    """The public functions of the records whose first parameter is text."""
    for module in pkgutil.walk_packages(probes.records.__path__, "probes.records."):
        loaded = import_module(module.name)
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if function.__module__ != module.name or name.startswith("_"):
                continue
            first = next(iter(inspect.signature(function).parameters.values()), None)
            if first is not None and first.annotation in _TEXT:
                yield f"{module.name.removeprefix('probes.records.')}.{name}", function.__code__


def _called(cases: list[Case]) -> set[CodeType]:
    found: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            found.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for case in cases:
            with suppress(RecordError):
                case.read(case.text(SHORT))
    finally:
        sys.setprofile(before)
    return found


def test_every_public_reader_is_held_to_linear_time() -> None:
    called = _called([case for group in GROUPS.values() for case in group] + [*READERS])
    missing = {name for name, code in _functions() if code not in called}
    assert missing - NOT_A_READER.keys() == set()
    assert NOT_A_READER.keys() - missing == set()
