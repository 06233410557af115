"""The first process of the chain's namespaces: sets the stage, starts the daemons, reaps.

Prints one line, `ready` or what went wrong, and lives until its standard input ends. The kernel
ends everything inside with it, so nothing of a chain survives whoever started it.
"""

import os
import subprocess
import sys
import traceback
from pathlib import Path

from tests.integration.chain import daemons, layout
from tests.integration.chain.layout import Layout
from tests.servers.real import program


def main(root: str) -> int:
    """Process 1 only reaps; a second process works, so that it can wait for its own children."""
    worker = os.fork()
    if worker == 0:
        os._exit(work(Layout(Path(root))))
    os.close(0)
    while True:
        pid, status = os.wait()
        if pid == worker:
            return os.waitstatus_to_exitcode(status)


def work(place: Layout) -> int:
    """Start the chain and stay until nobody holds the other end of our standard input."""
    try:
        set_stage(place)
        daemons.start_all(place)
    except Exception:  # noqa: BLE001 - told to the process outside, which raises it there
        print(traceback.format_exc(), flush=True)
        return 1
    print("ready", flush=True)
    sys.stdin.buffer.read()
    return 0


def set_stage(place: Layout) -> None:
    """Addresses on the loopback interface, our own resolver in /etc/resolv.conf."""
    _do("ip", "link", "set", "lo", "up")
    for address in layout.ADDRESSES:
        _do("ip", "address", "add", f"{address}/32", "dev", "lo")
    _do("nft", "--file", str(place.root / "firewall"))
    for name in ("resolv.conf", "nsswitch.conf", "passwd", "group"):
        target = Path("/etc", name).resolve()
        _do("mount", "--bind", str(place.root / name), str(target))


def _do(*command: str) -> None:
    name, *rest = command
    subprocess.run([program(name), *rest], stdin=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
