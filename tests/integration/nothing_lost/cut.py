"""`python -m tests.integration.nothing_lost.cut FILE N`: dies while it makes a ledger's tables.

Opens a ledger as the service does and kills itself before the Nth statement of the schema, counted
from 1; with a greater N it closes the ledger and ends well.
"""

import os
import sys
from pathlib import Path
from signal import SIGKILL
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from exporter.ledger.sqlite import open_sqlite

_MAKES = ("CREATE", "INSERT")


def main(file: str, number: str) -> None:
    """The command line of this file."""
    made = 0

    @event.listens_for(Engine, "before_cursor_execute")
    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal made
        made += statement.lstrip().upper().startswith(_MAKES)
        if made == int(number):
            os.kill(os.getpid(), SIGKILL)

    open_sqlite(Path(file)).dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
