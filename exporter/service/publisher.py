"""Where finished values go."""

from collections.abc import Callable
from dataclasses import dataclass

from exporter.model import Change, Run


@dataclass(frozen=True, slots=True)
class Publisher:
    """Where finished values go, which must not raise; changes are in the ledger by then."""

    change: Callable[[Change], None]
    run: Callable[[Run], None]
    ledger_error: Callable[[], None]
