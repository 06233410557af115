"""`python -m tests.integration.nothing_lost.services CONFIG LOG`: starts services in no time.

Each line on standard input makes a new process that is `mailcanary serve --config CONFIG`: forked
off this one, which has loaded the code and nothing else, because loading it takes a second of CPU.
Says `started PID` and, when that process has ended, `ended STATUS` (negative: the signal).
"""

import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from exporter.commands.serve import serve


def main() -> None:
    config, log = Path(sys.argv[1]), Path(sys.argv[2])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            become_service(config, log)
        os.write(1, f"started {child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(1, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())


def become_service(config: Path, log: Path) -> NoReturn:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    book = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, place in ((nothing, 0), (book, 1), (book, 2)):
        os.dup2(descriptor, place)
    try:
        status = int(serve(config))
    except BaseException:  # noqa: BLE001 - the last thing this process says
        traceback.print_exc()
        status = 70
    sys.exit(status)  # not os._exit: what it said last is still being written


if __name__ == "__main__":
    main()
