"""What kind `sender` remembers of the records it looked up."""

from collections.abc import Callable

from probes.records.looked_up import LookedUp, texts
from probes.result import NOTHING, Aspect
from probes.trace import Trace


def remember_texts(
    trace: Trace, aspect: Aspect, name: str, found: LookedUp, wanted: Callable[[str], bool]
) -> None:
    """The TXT records of a name that are `wanted`; nothing where the look-up failed."""
    if not found.failed:
        records = sorted(filter(wanted, texts(found)))
        trace.remember(aspect, name, " | ".join(records) or NOTHING, found.lifetime)
