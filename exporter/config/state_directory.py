"""Where the ledger lies if the file does not say it."""

import os
from collections.abc import Mapping
from pathlib import Path

STATE = Path("/var/lib/mailcanary")
"""The state directory of an installed service."""


def is_given(ledger: str) -> bool:
    """True for a place that the file names: such a one is absolute or a URL."""
    return "://" in ledger or Path(ledger).is_absolute()


def default_file(name: str, beside: Path, environ: Mapping[str, str], state: Path = STATE) -> Path:
    """Return the state directory's file, or the one beside the configuration.

    systemd names the directory in STATE_DIRECTORY. A ledger that is there already is used: one
    beside the configuration by a service of an earlier version, one in the state directory also by
    a user who may not write it.
    """
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given) / name
    ours, theirs = (beside / name).absolute(), state / name
    if not _exists(ours) and (_exists(theirs) or os.access(state, os.W_OK | os.X_OK)):
        return theirs
    return ours


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a directory that we may not enter
        return False
