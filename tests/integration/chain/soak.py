"""`python -m tests.integration.chain.soak [--seconds N] [--seed S]`, as root.

The service watches the real chain and is killed again and again; then one that sends nothing new is
left in peace until all is settled, and the ledger is held against the logs of Postfix and against
what Dovecot stored. Prints its figures as JSON.
"""

import argparse
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from signal import SIGKILL, SIGTERM, Signals

from probes.canary.lifecycle import Outcome
from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.integration.chain.layout import Layout
from tests.integration.nothing_lost import proof
from tests.integration.nothing_lost.proof import Book, Row

LOST_AFTER = 20.0
LONGEST_REST = 6 * LOST_AFTER
LONGEST_LIFE = 4.0
UNKNOWN = "nobody@example.test"
GTUBE = "YJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@dataclass(frozen=True, slots=True)
class Fate:
    """A sort of path, and what becomes of a canary on it that was surely handed over."""

    route: str
    recipient: str
    paths: int
    outcome: Outcome
    text: str = ""


FATES = {
    "relayed": Fate("relay", "probe+relayed@example.test", 4, Outcome.ARRIVED),
    "roundabout": Fate("relay", layout.BY_EXIM, 2, Outcome.ARRIVED),
    "direct": Fate("direct", "probe+direct@example.test", 4, Outcome.ARRIVED),
    "junk": Fate("relay", "probe+junk@example.test", 2, Outcome.JUNKED, GTUBE),
    "unknown": Fate("relay", UNKNOWN, 2, Outcome.BOUNCED),
    "refused": Fate("direct", UNKNOWN, 1, Outcome.REJECTED),
}

_MESSAGE_ID = re.compile(r"message-id=<(mailcanary-[a-z2-7]{26})@")
_TOKEN = re.compile(rb"^X-Mailcanary: (mailcanary-[a-z2-7]{26})", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in one soak. `given` are canaries that a server had up to their header."""

    kills: int
    canaries: int
    given: int
    delivered: int
    bounces: int
    outcomes: Mapping[str, int]
    most_in_flight: int
    seconds: float


class Launcher:
    """Starts one service after the other inside the chain, in no time (see `services`)."""

    def __init__(self, chain: Chain, popen: "subprocess.Popen[str]") -> None:
        self._chain = chain
        self._popen = popen

    @classmethod
    @contextmanager
    def started(cls, chain: Chain, config: Path, log: Path) -> Iterator["Launcher"]:
        """For the length of the `with`; ends with its standard input."""
        command = [sys.executable, "-m", "tests.integration.nothing_lost.services"]
        inside = ["env", f"SOAK_PASSWORD={layout.PASSWORD}", *command, str(config), str(log)]
        with subprocess.Popen(
            chain.enter(inside), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as popen:
            yield cls(chain, popen)

    def be_born(self) -> str:
        """The process id of a new service, as it is inside."""
        assert self._popen.stdin is not None
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()
        return self._heard("started ")

    def die(self, pid: str, number: Signals) -> int:
        """End it; its status, negative for a signal."""
        self._chain.run(["kill", f"-{number.value}", pid])
        return int(self._heard("ended "))

    def _heard(self, word: str) -> str:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        assert line.startswith(word), line
        return line.removeprefix(word).strip()


def soak(chain: Chain, *, seconds: float, seed: int) -> Figures:
    """Kill the service for so long, then prove that nothing was lost. Raises AssertionError."""
    began, rng = time.monotonic(), Random(seed)
    folder = chain.place.root / "service"
    config, log, ledger = folder / "soak.yaml", folder / "soak.log", folder / "soak.sqlite"
    config.write_text(config_text(chain.place, ledger, "1s"))
    kills = most = 0
    with Launcher.started(chain, config, log) as launcher:
        while time.monotonic() - began < seconds:
            pid = launcher.be_born()
            time.sleep(rng.choice((0.3, LONGEST_LIFE, LONGEST_LIFE)) * rng.random())
            assert launcher.die(pid, SIGKILL) == -SIGKILL, log.read_text()[-3000:]
            kills += 1
            most = max(most, proof.unsettled(ledger) if ledger.exists() else 0)
        config.write_text(config_text(chain.place, ledger, "10d"))
        rest(launcher, ledger)
    rows = proof.read_ledger(ledger)
    book, bounced = read_book(chain.place)
    prove(rows, book, bounced, log)
    return Figures(
        kills=kills,
        canaries=len(rows),
        given=len(book.tokens),
        delivered=len(book.delivered),
        bounces=len(bounced),
        outcomes=dict(Counter(str(row.outcome) for row in rows.values())),
        most_in_flight=most,
        seconds=time.monotonic() - began,
    )


def rest(launcher: Launcher, ledger: Path) -> None:
    """A life that lasts until all is settled."""
    pid = launcher.be_born()
    until = time.monotonic() + LONGEST_REST
    while is_in_want(ledger) and time.monotonic() < until:
        time.sleep(0.5)
    assert launcher.die(pid, SIGTERM) == 0


def is_in_want(ledger: Path) -> bool:
    """Whether a canary has no outcome yet, or one has only just begun to be sent."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as book:
        (newest,) = book.execute("select max(planned_at) from canaries").fetchone()
    return proof.unsettled(ledger) > 0 or time.time() - newest / 1e6 < LOST_AFTER


def prove(rows: Mapping[str, Row], book: Book, bounced: set[str], log: Path) -> None:
    """The sentences of `proof`, by the books of real servers."""
    proof.nothing_was_sent_twice(book)
    proof.what_was_given_is_written_down(rows, book)
    proof.each_was_told_once(rows, log)
    wrong = [
        row
        for row in rows.values()
        if row.outcome not in allowed(row, book, bounced) or row.settled_at is None
    ]
    assert wrong == []
    assert "Traceback" not in log.read_text()


def allowed(row: Row, book: Book, bounced: set[str]) -> set[Outcome]:
    """The outcomes that do not lie about this canary.

    What a server had but neither stored nor returned is lost, or untestable where we ended before
    we knew; what no server had is untestable, unless the server said no.
    """
    fate = FATES[row.path.rpartition("_")[0]]
    if row.token in book.delivered:
        return {fate.outcome}
    if row.token in bounced:
        return {Outcome.BOUNCED}
    if row.token in book.tokens:
        return {Outcome.LOST} | ({Outcome.UNTESTABLE} if row.accepted_at is None else set())
    no = {Outcome.REJECTED, Outcome.DEFERRED} if fate.route == "direct" else set()
    return {Outcome.UNTESTABLE} | no


def read_book(place: Layout) -> tuple[Book, set[str]]:
    """What Postfix wrote of our messages and what Dovecot stored; tokens that were returned."""
    given: Counter[tuple[str, str]] = Counter()
    for server in ("out", "mx"):
        for token in _MESSAGE_ID.findall(place.log(server).read_text("utf-8", "replace")):
            given[server, token] += 1
    delivered: Counter[str] = Counter()
    bounced: set[str] = set()
    for file in (place.root / "mail").glob("*/Maildir/**/*"):
        if file.parent.name in ("new", "cur"):
            head, _, body = file.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
            delivered.update(token.decode("ascii") for token in _TOKEN.findall(head))
            bounced.update(token.decode("ascii") for token in _TOKEN.findall(body))
    return Book(given, delivered), bounced


def config_text(place: Layout, ledger: Path, every: str) -> str:
    """A configuration with every path."""
    paths = [
        f"  {name}_{number}: {{route: {fate.route}, mailbox: probe, mail_from: {layout.SENDER},"
        f" rcpt_to: {fate.recipient}, text: '{fate.text}', every: {every}, deadline: 6s,"
        f" late_after: {LOST_AFTER - 1}s, lost_after: {LOST_AFTER}s}}\n"
        for name, fate in FATES.items()
        for number in range(fate.paths)
    ]
    password = 'password: "${SOAK_PASSWORD}"'
    mailboxes = [
        f"  {name}: {{type: imap, host: {layout.IMAP_HOST}, username: {user}, {password},"
        f" keep: 1d, fast_poll: 100ms}}\n"
        for name, user in (("probe", layout.RECIPIENT), ("sender", layout.SENDER))
    ]
    return f"""\
ehlo_name: {layout.CANARY_HOST}
listen: 127.0.0.1:10588
ledger: {ledger}
resolvers: ["127.0.0.1:53"]
ca_file: {place.ca_file}
max_concurrent: 60
max_concurrent_per_host: 20
routes:
  relay:
    {{type: submission, host: {layout.OUT_HOST}, username: {layout.SENDER}, {password}}}
  direct: {{type: direct, source_address: {layout.CANARY}}}
mailboxes:
{"".join(mailboxes)}paths:
{"".join(paths)}"""


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(prog="./run soak --real")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Chain.start() as chain:
        figures = soak(chain, seconds=options.seconds, seed=options.seed)
    json.dump(asdict(figures), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
