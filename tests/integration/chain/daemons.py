"""The chain's daemons, each started and stopped by name. Runs inside the chain's namespaces.

`python -m tests.integration.chain.daemons ROOT start|stop NAME...` does it from a shell there.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from tests.integration.chain import layout
from tests.integration.chain.layout import Layout
from tests.servers.real import SEARCH_PATH, program

READY_WITHIN = 30.0
"""Seconds a daemon may take until it listens."""
POLL = 0.02
LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""


class ChainError(Exception):
    """A part of the chain did not start; says which, and ends with what it wrote."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process that stays in the foreground. `ready` are the sockets it listens on."""

    name: str
    command: Callable[[Path], tuple[str, ...]]
    ready: tuple[tuple[str, int], ...]


def _rspamd(root: Path) -> tuple[str, ...]:
    base = root / "rspamd"
    return (
        *("rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd"),
        *(f"--var=LOCAL_CONFDIR={base}", f"--var=DBDIR={base}/db"),
        *(f"--var=RUNDIR={base}", f"--var=LOGDIR={base}/log"),
    )


def _postgrey(root: Path) -> tuple[str, ...]:
    # Never whitelist a client by its merits: a new triplet is greylisted, always. It reckons in
    # whole seconds, fractions cut off: a delay of 3 is one of more than 2.
    return (
        *("postgrey", "--inet=127.0.0.1:10023", "--delay=3", "--auto-whitelist-clients=0"),
        *(f"--dbdir={root}/postgrey", "--user=postgrey", "--group=postgrey"),
        f"--hostname={layout.MX_HOST}",
        *("--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null"),
    )


def _exim(root: Path, instance: str, environment: Iterable[str] = ()) -> tuple[str, ...]:
    # Each second it looks into its queue: greylisting costs seconds.
    own = (f"{root}/exim/exim4", "-C", f"{root}/{instance}/exim.conf", "-bdf", "-q1s")
    return ("env", *environment, *own)


def _ahead() -> tuple[str, ...]:
    """The environment in which clocks are ahead. The faketime program's own way shares memory
    between its processes, which an Exim that changes users may not."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return (f"LD_PRELOAD={library}", f"FAKETIME=+{layout.AHEAD}")


DAEMONS = {
    daemon.name: daemon
    for daemon in (
        Daemon("knot", lambda root: ("knotd", "-c", f"{root}/knot/knot.conf"), (layout.DNS,)),
        Daemon(
            "second",
            lambda root: ("knotd", "-c", f"{root}/second/knot.conf"),
            (layout.SECOND_DNS, layout.UDP_DNS),
        ),
        Daemon(
            "unbound",
            lambda root: ("unbound", "-d", "-c", f"{root}/unbound/unbound.conf"),
            (layout.RESOLVER,),
        ),
        Daemon(
            "dovecot",
            lambda root: ("dovecot", "-F", "-c", f"{root}/dovecot/dovecot.conf"),
            (layout.IMAP, layout.LMTP, ("127.0.0.1", 12345)),
        ),
        Daemon(
            "opendkim",
            lambda root: ("opendkim", "-f", "-x", f"{root}/opendkim/opendkim.conf"),
            (("127.0.0.1", 8891),),
        ),
        Daemon("postgrey", _postgrey, (("127.0.0.1", 10023),)),
        Daemon("rspamd", _rspamd, (("127.0.0.1", 11332),)),
        Daemon("exim", lambda root: _exim(root, "exim"), (layout.EXIM,)),
        Daemon("skewed", lambda root: _exim(root, "skewed", _ahead()), (layout.SKEWED,)),
    )
}
POSTFIXES = ("out", "mx")
NAMES = (*DAEMONS, *POSTFIXES)


def start_all(place: Layout) -> None:
    """Bring the whole chain up, side by side where nothing depends on anything."""
    _run(place, "sievec", str(place.root / "dovecot" / "junk.sieve"))
    alone = [name for name in NAMES if name not in ("knot", "unbound")]
    with ThreadPoolExecutor(len(alone) + 1) as pool:
        jobs = [pool.submit(start, place, name) for name in alone]
        jobs.append(pool.submit(_start_dns, place))
        for job in jobs:
            job.result()


def start(place: Layout, name: str) -> None:
    """Start one daemon and wait until it listens. Raises ChainError."""
    if name in POSTFIXES:
        # Returns when master has opened its sockets.
        _run(place, "postfix", "-c", str(place.postfix(name)), "start")
        return
    daemon = DAEMONS[name]
    first, *rest = daemon.command(place.root)
    with place.log(f"{name}.out").open("ab") as output:
        process = subprocess.Popen(
            [program(first), *rest],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PATH": SEARCH_PATH},
        )
    place.pid_file(name).write_text(str(process.pid))
    wait_until(lambda: process.poll() is not None or _listens(daemon.ready), f"{name} to listen")
    if process.poll() is not None:
        raise ChainError(f"{name} ended at once:\n{_tail(place.log(f'{name}.out'))}")


def stop(place: Layout, name: str) -> None:
    """Stop one daemon and wait until it is gone."""
    if name in POSTFIXES:
        _run(place, "postfix", "-c", str(place.postfix(name)), "stop")
        return
    pid = int(place.pid_file(name).read_text())
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not _is_alive(pid), f"{name} to end")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll for a bounded time. Raises ChainError."""
    end = time.monotonic() + READY_WITHIN
    while not condition():
        if time.monotonic() > end:
            raise ChainError(f"waited {READY_WITHIN:.0f} s in vain for {what}")
        time.sleep(POLL)


def _start_dns(place: Layout) -> None:
    start(place, "knot")
    wait_until(lambda: all(map(_is_signed, layout.ZONES)), "knot to sign its zones")
    keymgr = ("keymgr", "-c", str(place.root / "knot" / "knot.conf"))
    anchors = [_run(place, *keymgr, zone, "ds") for zone in layout.ZONES]
    (place.root / "unbound" / "anchors").write_text("".join(anchors))
    start(place, "unbound")


def _is_signed(zone: str) -> bool:
    query = dns.message.make_query(zone, "SOA", want_dnssec=True)
    answer = dns.query.tcp(query, layout.DNS[0], timeout=2, port=layout.DNS[1])
    return any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in answer.answer)


def _listens(wanted: Iterable[tuple[str, int]]) -> bool:
    """Read from the kernel, so that no daemon sees a connection that says nothing."""
    lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    rows = (line.split() for line in lines)
    listening = {row[1] for row in rows if row[3] == LISTEN}
    return all(_kernel_name(*socket) in listening for socket in wanted)


def _kernel_name(address: str, port: int) -> str:
    number = int.from_bytes(bytes(map(int, address.split("."))), sys.byteorder)
    return f"{number:08X}:{port:04X}"


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _run(place: Layout, name: str, *arguments: str) -> str:
    done = subprocess.run(
        [program(name), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=READY_WITHIN,
        check=False,
        env={**os.environ, "PATH": SEARCH_PATH},
    )
    if done.returncode != 0:
        raise ChainError(f"{name} {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _tail(log: Path, size: int = 4000) -> str:
    return log.read_bytes()[-size:].decode("utf-8", "replace")


def main(root: str, action: str, *names: str) -> None:
    """The command line of this file."""
    act = {"start": start, "stop": stop}[action]
    for name in names:
        act(Layout(Path(root)), name)


if __name__ == "__main__":
    main(*sys.argv[1:])
