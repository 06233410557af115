"""The program and other modules of the checkout as processes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.places import ROOT

MAILCANARY = (sys.executable, "-m", "exporter.cli")
"""The words with which the program is started, from whatever folder."""

PATIENCE = 40.0
"""Seconds; a process that has to load everything first, on a busy machine."""


def environment(**changes: str) -> dict[str, str]:
    """Return our environment with changes; this checkout's modules are found from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def completed(
    *command: str, cwd: Path = ROOT, within: float = PATIENCE, environ: Mapping[str, str] = {}
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=within,
        cwd=cwd,
        env=environment(**environ),
        check=False,
    )


def mailcanary(
    *arguments: str, cwd: Path = ROOT, within: float = PATIENCE, environ: Mapping[str, str] = {}
) -> "subprocess.CompletedProcess[str]":
    """Run the program to its end."""
    return completed(*MAILCANARY, *arguments, cwd=cwd, within=within, environ=environ)


@asynccontextmanager
async def started(
    *command: str,
    stdout: int | None = asyncio.subprocess.PIPE,
    stderr: int | None = asyncio.subprocess.PIPE,
    environ: Mapping[str, str] = {},
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command beside the test; it is killed where it has not ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment(**environ), stdout=stdout, stderr=stderr
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.communicate()


async def finished(
    *command: str, within: float = PATIENCE, environ: Mapping[str, str] = {}
) -> tuple[int | None, str, str]:
    """Run a command to its end beside servers of the test: its exit code and what it wrote."""
    async with started(*command, environ=environ) as process, asyncio.timeout(within):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()
