"""A log reader that stalls or goes costs lines and nothing else."""

import asyncio
import fcntl
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGHUP, SIGTERM
from typing import Self

import pytest

from exporter.service.log_writer import MAX_LINES, MAX_OCTETS, LogWriter
from tests.support.pages import fetch
from tests.support.places import ROOT
from tests.support.ports import reserved_port
from tests.support.processes import PATIENCE
from tests.support.serving import QUIET, Serving, serving
from tests.support.waiting import answered

pytestmark = pytest.mark.slow("starts the program as a process")

NOTICE = re.compile(
    rb"^[-\d]+ [:,\d]+ WARNING log lines dropped, because the log could not be written: (\d+)\n",
    re.MULTILINE,
)
DROPPED = "mailcanary_log_lines_dropped_total"
FILLER = b"\0"


@dataclass
class Pipe:
    """A small pipe whose reader does nothing until it is told to."""

    reader: int
    writer: int
    read: bytearray = field(default_factory=bytearray)

    @classmethod
    def opened(cls) -> Self:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(reader, False)  # the writer's end stays as a process inherits it
        return cls(reader, writer)

    def fill(self) -> None:
        """Leave no room for one octet."""
        os.set_blocking(self.writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(self.writer, FILLER)
        os.set_blocking(self.writer, True)

    def take(self) -> bytes:
        """Read what is there; all that was ever read, without what it was filled with."""
        with suppress(BlockingIOError):
            while octets := os.read(self.reader, 65536):
                self.read += octets.replace(FILLER, b"")
        return bytes(self.read)

    def until(self, is_so: Callable[[], object]) -> None:
        """Read until it is so."""
        while not is_so():
            assert select.select([self.reader], [], [], PATIENCE)[0], "nothing comes"
            self.take()

    def told(self) -> int:
        """How many dropped lines were told of in what was read so far."""
        return sum(map(int, NOTICE.findall(self.take())))

    def lines(self) -> list[bytes]:
        """The lines that were read so far, without the notices."""
        return NOTICE.sub(b"", self.take()).splitlines()

    def close(self) -> None:
        """Close what is still open."""
        for end in (self.reader, self.writer):
            with suppress(OSError):
                os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe.opened()
    yield pipe
    pipe.close()


def number(n: int) -> bytes:
    return b"line %d\n" % n


def numbers(count: int) -> list[bytes]:
    return [number(n).rstrip() for n in range(count)]


# The writer by itself


def test_lines_are_written_whole_and_in_order(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writer)
    for n in range(5000):
        writer.put(number(n))
    pipe.until(lambda: len(pipe.lines()) == 5000)
    assert writer.close(PATIENCE)
    assert pipe.lines() == numbers(5000)
    assert (writer.dropped(), pipe.told()) == (0, 0)


def test_too_many_lines_are_dropped_and_told_where_they_are_missing(pipe: Pipe) -> None:
    pipe.fill()
    writer = LogWriter(pipe.writer)
    for n in range(MAX_LINES + 7):
        writer.put(number(n))
    assert writer.dropped() == 7
    pipe.until(pipe.told)
    writer.put(b"afterwards\n")
    pipe.until(lambda: b"afterwards" in pipe.take())
    assert writer.close(PATIENCE)
    assert (writer.dropped(), pipe.told()) == (7, 7)
    before, _, after = pipe.take().partition(NOTICE.search(pipe.take())[0])  # type: ignore[index]
    assert before.splitlines() == numbers(MAX_LINES)
    assert after == b"afterwards\n"


def test_once_lines_are_dropped_none_is_taken_before_all_that_wait_are_written(
    pipe: Pipe,
) -> None:
    pipe.fill()
    writer = LogWriter(pipe.writer)
    for n in range(MAX_LINES + 1):
        writer.put(number(n))
    pipe.until(lambda: len(pipe.lines()) > 1)
    while len(pipe.lines()) < MAX_LINES:
        writer.put(b"between\n")
    pipe.until(lambda: pipe.told() == writer.dropped())
    assert writer.close(PATIENCE)
    assert pipe.lines()[:MAX_LINES] == numbers(MAX_LINES)


def test_octets_are_bounded_as_well_as_lines(pipe: Pipe) -> None:
    pipe.fill()
    writer = LogWriter(pipe.writer)
    line = b"x" * (MAX_OCTETS // 4 - 1) + b"\n"
    for _ in range(6):
        writer.put(line)
    assert writer.dropped() == 2
    pipe.until(lambda: pipe.told() == 2)
    assert writer.close(PATIENCE)
    assert pipe.lines() == [line.rstrip()] * 4


def test_a_line_longer_than_all_that_may_wait_is_told_before_the_next(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writer)
    writer.put(b"x" * (MAX_OCTETS + 1))
    writer.put(b"next\n")
    pipe.until(lambda: b"next" in pipe.take())
    assert writer.close(PATIENCE)
    assert NOTICE.sub(b"told\n", pipe.take()) == b"told\nnext\n"


def test_the_end_does_not_wait_for_a_reader_that_stalls(pipe: Pipe) -> None:
    pipe.fill()
    writer = LogWriter(pipe.writer)
    writer.put(b"last words\n")
    assert not writer.close(0.0)
    pipe.until(lambda: pipe.lines() == [b"last words"])
    assert writer.close(PATIENCE)


def test_a_reader_that_is_gone_costs_the_lines(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writer)
    os.close(pipe.reader)
    for n in range(3):
        writer.put(number(n))
    assert writer.close(PATIENCE)
    assert writer.dropped() == 3


def test_a_descriptor_that_is_closed_costs_the_lines() -> None:
    writer = LogWriter(-1)
    writer.put(b"nowhere\n")
    assert writer.close(PATIENCE)
    assert writer.dropped() == 1


def test_a_full_disk_costs_lines_and_is_told_when_there_is_room(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f"""
import os, resource, signal
from pathlib import Path
from exporter.service.log_writer import LogWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
writer = LogWriter(os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
for line in (b"line 0\\n", b"line 1\\n", b"line 2\\n"):
    writer.put(line)
while writer.dropped() < 2:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.put(b"line 3\\n")
assert writer.close({PATIENCE})
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert NOTICE.sub(b"told %s\n" % rb"\1", log.read_bytes()) == b"line 0\nlin\ntold 2\nline 3\n"


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    pipe.fill()
    os.set_blocking(pipe.writer, False)
    writer = LogWriter(pipe.writer)
    for n in range(3000):
        writer.put(number(n))
    pipe.until(lambda: len(pipe.lines()) == 3000)
    assert writer.close(PATIENCE)
    assert (pipe.lines(), writer.dropped()) == (numbers(3000), 0)


def test_a_stream_puts_whole_lines_and_writes_what_its_encoding_lacks_as_escapes(
    pipe: Pipe,
) -> None:
    writer = LogWriter(pipe.writer)
    stream = writer.stream("ascii")
    print("one", "line", "✓", file=stream)
    stream.write("two\nat once\n")
    stream.write("no end")
    assert writer.close(PATIENCE)
    assert pipe.lines() == [rb"one line \u2713", b"two", b"at once"]
    assert writer.dropped() == 0


# A process that ends


def ending(script: str, pipe: Pipe) -> int:
    """The exit code of a process with a diverted standard error."""
    text = (
        f"from exporter.service.log_writer import divert_stderr\nwriter = divert_stderr()\n{script}"
    )
    command = [sys.executable, "-c", text]
    child = subprocess.run(command, cwd=ROOT, stderr=pipe.writer, timeout=PATIENCE, check=False)
    return child.returncode


def test_a_traceback_is_written_before_the_process_ends(pipe: Pipe) -> None:
    assert ending("raise ValueError('a bug')", pipe) == 1
    assert pipe.lines()[0].startswith(b"Traceback")
    assert pipe.lines()[-1] == b"ValueError: a bug"


@pytest.mark.parametrize(
    ("script", "code"), [("raise ValueError('a bug')", 1), ("raise SystemExit(2)", 2), ("", 0)]
)
def test_a_full_pipe_does_not_keep_a_process_from_ending(
    pipe: Pipe, script: str, code: int
) -> None:
    pipe.fill()
    assert ending(f"import sys\nsys.stderr.write('last words\\n')\n{script}", pipe) == code


def test_what_python_itself_complains_of_goes_the_same_way(pipe: Pipe) -> None:
    script = """
import logging, threading, warnings
class Broken:
    def __del__(self): raise ValueError("unraisable")
del (lambda: Broken())().__dict__
warnings.warn("a warning")
logging.warning("%d", "no number")
thread = threading.Thread(target=int, args=("no integer",))
thread.start()
thread.join()
"""
    os.set_blocking(pipe.writer, True)
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, 65536)
    assert ending(script, pipe) == 0
    for words in (b"unraisable", b"a warning", b"--- Logging error ---", b"no integer"):
        assert words in pipe.take()


# The service


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A configuration that touches nothing but its ledger, and its port."""
    config = tmp_path / "mailcanary.yaml"
    with reserved_port() as port:
        config.write_text(QUIET.format(port=port, ledger=tmp_path / "ledger.sqlite"))
        yield config, port


def spoil(config: Path) -> None:
    """Make each reload a long entry of the log."""
    jobs = "".join(f"  job-{n}: {{kind: {'nonsense' * 20}}}\n" for n in range(400))
    config.write_text(f"jobs:\n{jobs}")


async def dropped(service: Serving) -> float:
    async with asyncio.timeout(PATIENCE):
        return (await service.values(DROPPED)).get("", 0.0)


async def answers(service: Serving) -> None:
    """Wait until its pages are there."""
    await answered(lambda: service.values(DROPPED), within=PATIENCE, every=0.05)


async def reload_until_dropped(service: Serving, more_than: float = 0.0) -> None:
    """Reload the spoilt configuration until more lines than this were dropped."""
    async with asyncio.timeout(PATIENCE):
        while await dropped(service) <= more_than:
            assert service.process.returncode is None
            service.send(SIGHUP)
            await asyncio.sleep(0.01)


async def test_a_reader_that_stalls_holds_up_nothing_and_is_told_what_it_missed(
    quiet: tuple[Path, int], pipe: Pipe
) -> None:
    config, port = quiet
    pipe.fill()
    async with serving(config, port, stderr=pipe.writer) as service:
        await answers(service)
        spoil(config)
        await reload_until_dropped(service)
        assert await fetch(port, "/-/healthy") == "healthy\n"
        await service.until(pipe.told)
        assert any(b" INFO serving " in line for line in pipe.lines()[:2])
        assert await dropped(service) == pipe.told()

        pipe.fill()
        await reload_until_dropped(service, more_than=pipe.told())
        assert await service.end(SIGTERM) == 0


async def test_a_reader_that_is_gone_costs_the_lines_and_nothing_else(
    quiet: tuple[Path, int], pipe: Pipe
) -> None:
    config, port = quiet
    os.close(pipe.reader)
    async with serving(config, port, stderr=pipe.writer) as service:
        await answers(service)
        spoil(config)
        await reload_until_dropped(service, more_than=3)
        assert await fetch(port, "/-/healthy") == "healthy\n"
        assert await service.end(SIGTERM) == 0


async def test_a_service_that_cannot_start_ends_although_nobody_reads_why(
    quiet: tuple[Path, int], pipe: Pipe
) -> None:
    config, port = quiet
    pipe.fill()
    spoil(config)
    async with serving(config, port, stderr=pipe.writer) as service:
        assert await service.status() == 64
