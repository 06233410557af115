"""`mailcanary explain`: the evidence in one message file, without a configuration."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from exporter.commands.common import run_loop
from exporter.diagnose.request import read_server
from exporter.network import system_resolver
from exporter.reports.exit_codes import ExitCode
from exporter.reports.message_verdict import message_verdict
from exporter.terminal.console import Console
from exporter.terminal.evidence import evidence_view, verdict_view
from exporter.terminal.text import complain, say
from probes.canary.evidence import Evidence, ExaminationContext, evidence_json, examine
from probes.clock import SYSTEM_CLOCK
from probes.lookups.dkim_keys import keys_for
from probes.lookups.organisational_domains import organisations_for
from probes.net.resolver import Resolver
from probes.records import RecordError
from probes.records.message_file import read_message_file
from probes.records.raw_message import MAX_MESSAGE

STANDARD_INPUT = "-"


def read_bounded(file: str) -> bytes:
    """The file's first 16 MiB and one octet more, so that a longer one is known as such.

    `-` is standard input. Raises OSError.
    """
    if file == STANDARD_INPUT:
        return _read(sys.stdin.buffer)
    with Path(file).open("rb") as stream:
        return _read(stream)


def _read(stream: BinaryIO) -> bytes:
    return stream.read(MAX_MESSAGE + 1)


async def explain_message(message: bytes, resolver: Resolver | None) -> Evidence:
    """Examine a message; its DKIM keys are asked of `resolver`, of nobody where it is None."""
    known = ExaminationContext(SYSTEM_CLOCK.utc())
    if resolver is not None:
        keys = await keys_for(message, resolver)
        organisation = await organisations_for(message, resolver)
        known = replace(known, lookup=keys, organisation=organisation)
    return await asyncio.to_thread(examine, message, None, known)


def explain(file: str, as_json: bool, resolver: str | None, offline: bool) -> int:  # noqa: FBT001
    """`mailcanary explain`."""
    try:
        asked = None if offline else _resolver(resolver)
        found = read_message_file(read_bounded(file))
    except (OSError, ValueError, RecordError) as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    for note in found.notes:
        complain(f"mailcanary: {note}")
    evidence = run_loop(explain_message(found.message, asked))
    shown = evidence_json(evidence)
    verdict = message_verdict(found.message, evidence)
    if as_json:
        say(json.dumps(shown, indent=2))
    else:
        console = Console()
        console.print(verdict_view(verdict))
        console.print(evidence_view(shown))
    return verdict.code


def _resolver(server: str | None) -> Resolver:
    """The resolver at `server`, the system's for None. Raises ValueError."""
    return system_resolver() if server is None else Resolver((read_server(server),))
