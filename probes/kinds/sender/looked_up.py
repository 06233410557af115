"""How the parts of kind `sender` fail where a look-up did."""

from collections.abc import Callable

from probes.records.looked_up import LookedUp, texts
from probes.result import NOTHING, Aspect, Owner, ProbeFailure, Reason
from probes.trace import Trace

_REASONS = {
    "dnssec_bogus": Reason.DNSSEC_BOGUS,
    "malformed": Reason.MALFORMED_REPLY,
    "refused": Reason.REFUSED,
    "timeout": Reason.TIMEOUT,
    "unreachable": Reason.UNREACHABLE,
}


def not_looked_up(failure: str, detail: str, *, is_ours: bool) -> ProbeFailure:
    """`failure` is that of the LookedUp: our resolver's trouble is told from the domain's."""
    owner = Owner.RESOLVER if is_ours else Owner.SENDER
    return ProbeFailure(_REASONS.get(failure, Reason.SERVFAIL), detail, owner=owner)


def remember_texts(
    trace: Trace, aspect: Aspect, name: str, found: LookedUp, wanted: Callable[[str], bool]
) -> None:
    """The TXT records of a name that are `wanted`; nothing where the look-up failed."""
    if not found.failed:
        records = sorted(filter(wanted, texts(found)))
        trace.remember(aspect, name, " | ".join(records) or NOTHING, found.lifetime)
