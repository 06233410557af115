"""The chain from outside: start it, run programs in it, stop parts of it, read its logs."""

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.integration.chain.daemons import ChainError
from tests.integration.chain.layout import REPOSITORY, Layout
from tests.integration.chain.render import render
from tests.servers.real import SEARCH_PATH, program

UP_WITHIN = 90.0
DOWN_WITHIN = 10.0


class Process:
    """A program that runs inside the chain. Signals reach the program itself."""

    def __init__(self, chain: "Chain", name: str, popen: subprocess.Popen[bytes]) -> None:
        self._chain = chain
        self._popen = popen
        self.name = name

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGSTOP and SIGCONT included."""
        pid = self._chain.place.pid_file(self.name).read_text().strip()
        self._chain.run(["kill", f"-{number.value}", pid])
        if number is signal.SIGCONT:
            # nsenter stops itself when its child is stopped, and has to be woken with it.
            self._popen.send_signal(number)

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        return self._popen.poll()

    def wait(self, within: float) -> int:
        """Wait for the end. Raises subprocess.TimeoutExpired."""
        return self._popen.wait(within)

    @property
    def output(self) -> str:
        """Standard output and error so far."""
        return self._chain.log(self.name)


class Chain:
    """A running chain; make it with `Chain.start()`."""

    def __init__(self, place: Layout, namespaces: subprocess.Popen[str]) -> None:
        self.place = place
        self._namespaces = namespaces

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["Chain"]:
        """Bring a chain up in fresh namespaces, for the length of the `with`. Raises ChainError.

        Its files are in a directory of its own directly below the temporary directory, because the
        daemons' users have to get there; it is removed at the end.
        """
        root = Path(tempfile.mkdtemp(prefix="mailcanary-chain-"))
        root.chmod(0o755)
        try:
            place = Layout(root)
            render(place)
            with _namespaces(place) as namespaces:
                yield cls(place, namespaces)
        finally:
            shutil.rmtree(root)

    def enter(self, command: Sequence[str], cwd: Path = REPOSITORY) -> list[str]:
        """The command line that runs `command` inside; as root, outside."""
        process = f"/proc/{self._namespaces.pid}"
        return [
            *(program("nsenter"), f"--net={process}/ns/net", f"--mount={process}/ns/mnt"),
            # Where we are chrooted ourselves, entering a mount namespace alone would leave that.
            *(f"--pid={process}/ns/pid_for_children", f"--root={process}/root", "--"),
            *("env", f"--chdir={cwd}", *command),
        ]

    def run(
        self,
        command: Sequence[str],
        *,
        text: str = "",
        within: float = 30.0,
        ok: Sequence[int] | None = (0,),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end, `text` on its standard input.

        Raises ChainError for an exit status that is not in `ok` (None: any will do), and when it
        takes longer than `within` seconds; it then tells what every daemon wrote last.
        """
        try:
            done = subprocess.run(
                self.enter(command),
                input=text,
                capture_output=True,
                text=True,
                timeout=within,
                check=False,
                env=_environment(),
            )
        except subprocess.TimeoutExpired as error:
            raise ChainError(f"{error}{_all_logs(self.place)}") from error
        if ok is not None and done.returncode not in ok:
            told = f"{done.stdout}{done.stderr}"
            raise ChainError(f"{shlex.join(command)} gave {done.returncode}:\n{told}")
        return done

    def python(self, code: str, *arguments: str, within: float = 30.0) -> str:
        """Run Python inside with the test's interpreter; what it printed."""
        return self.run([sys.executable, "-c", code, *arguments], within=within).stdout

    @contextmanager
    def running(
        self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None
    ) -> Iterator[Process]:
        """A program that runs inside for the length of the `with`; its output is `log(name)`."""
        script = 'echo $$ > "$0" && exec "$@"'
        pid_file = str(self.place.pid_file(name))
        with self.place.log(name).open("ab") as output:
            popen = subprocess.Popen(
                self.enter(["sh", "-c", script, pid_file, *command]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**_environment(), **(environ or {})},
            )
        process = Process(self, name, popen)
        try:
            yield process
        finally:
            self._end(process)

    def start_daemon(self, *names: str) -> None:
        """Start daemons again (see `daemons.NAMES`)."""
        self._control("start", *names)

    def stop_daemon(self, *names: str) -> None:
        """Stop daemons and wait until they are gone; `out` and `mx` by `postfix stop`."""
        self._control("stop", *names)

    def log(self, daemon: str) -> str:
        """Everything a daemon has written so far."""
        return self.place.log(daemon).read_text("utf-8", "replace")

    def _control(self, action: str, *names: str) -> None:
        module = "tests.integration.chain.daemons"
        self.run([sys.executable, "-m", module, str(self.place.root), action, *names])

    @staticmethod
    def _end(process: Process) -> None:
        if process.poll() is not None:
            return
        try:
            process.signal(signal.SIGTERM)
            process.wait(DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            process.signal(signal.SIGKILL)
            process.wait(DOWN_WITHIN)


@contextmanager
def _namespaces(place: Layout) -> Iterator[subprocess.Popen[str]]:
    """The chain's own process tree; ends, and everything in it, with the `with`."""
    command = [
        *(program("unshare"), "--mount", "--net", "--pid", "--fork", "--mount-proc"),
        *("--kill-child", sys.executable, "-m", "tests.integration.chain.child"),
    ]
    with (
        place.log("child").open("wb") as errors,
        subprocess.Popen(
            [*command, str(place.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=REPOSITORY,
            start_new_session=True,
            env=_environment(),
        ) as process,
    ):
        try:
            _wait_for_ready(process, place)
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(DOWN_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_ready(process: subprocess.Popen[str], place: Layout) -> None:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        answered = selector.select(UP_WITHIN)
    line = process.stdout.readline() if answered else f"nothing for {UP_WITHIN:.0f} s\n"
    if line != "ready\n":
        rest = process.stdout.read() if answered else ""
        raise ChainError(f"the chain did not come up: {line}{rest}{_all_logs(place)}")


def _all_logs(place: Layout) -> str:
    logs = sorted((place.root / "log").iterdir())
    return "".join(f"\n--- {log.name}\n{_tail(log)}" for log in logs)


def _tail(log: Path, size: int = 3000) -> str:
    return log.read_bytes()[-size:].decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if name.startswith(("LC_", "LANG"))}
    return {
        **keep,
        "PATH": SEARCH_PATH,
        "HOME": os.environ.get("HOME", "/"),
        "TERM": os.environ.get("TERM", "dumb"),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
    }
