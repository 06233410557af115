"""How the parts of kind `sender` fail where a look-up did."""

from probes.result import Owner, ProbeFailure, Reason

_REASONS = {
    "dnssec_bogus": Reason.DNSSEC_BOGUS,
    "malformed": Reason.MALFORMED_REPLY,
    "refused": Reason.REFUSED,
    "timeout": Reason.TIMEOUT,
    "unreachable": Reason.UNREACHABLE,
}


def not_looked_up(failure: str, detail: str, *, is_ours: bool) -> ProbeFailure:
    """`failure` is that of the LookedUp: our resolver's trouble is told from the domain's."""
    owner = Owner.OUR_DNS if is_ours else Owner.THEIR_DNS
    return ProbeFailure(_REASONS.get(failure, Reason.SERVFAIL), detail, owner=owner)
