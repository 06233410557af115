"""Failures of a run or a part of it: a text for every possible phase and reason.

A failure's code is its phase and its reason with a dot between. Most reasons mean the same in
several phases; `<step>` in a text is then the action of the phase.
"""

from collections.abc import Iterator, Mapping

from probes.catalogue import failure_outcomes, failure_texts
from probes.catalogue.entry import Entry
from probes.catalogue.failure_ending import STEPS, VERIFY, Ending
from probes.result import OURS, Aspect, Failure, Owner, Phase, Reason, Status, owner_of

ENDINGS = (*failure_texts.ENDINGS, *failure_outcomes.ENDINGS)
"""The first that has a reason and a phase is the one that counts."""

_BY_REASON: Mapping[Reason, Ending] = {ending.reason: ending for ending in reversed(ENDINGS)}
_SEVERITY: Mapping[Status, str] = {
    Status.FAILURE: "it ended the run, or the part of it that is named",
    Status.UNTESTABLE: "the cause is on this machine, or its resolver",
}


def _entry(ending: Ending, phase: Phase) -> Entry:
    owner = owner_of(phase, ending.reason)
    grave = Status.UNTESTABLE if owner in OURS else Status.FAILURE
    summary = ending.summary.replace("<step>", STEPS[phase])
    return Entry(
        f"{phase}.{ending.reason}",
        summary[0].upper() + summary[1:],
        ending.why.replace("<step>", STEPS[phase]),
        ending.remedy.replace("<step>", STEPS[phase]),
        VERIFY.get(phase, "") if ending.verify is None else ending.verify,
        ending.reference,
        owner,
        {grave: _SEVERITY[grave]} if grave is Status.UNTESTABLE else _SEVERITY,
        mended_in=Aspect.MX if phase is Phase.DNS_MX else None,
    )


def _made() -> Iterator[tuple[Entry, ...]]:
    """The entries of each ending that no ending before it has spoken of."""
    told: set[str] = set()
    for ending in ENDINGS:
        entries = tuple(_entry(ending, phase) for phase in ending.phases)
        yield tuple(entry for entry in entries if entry.code not in told)
        told |= {entry.code for entry in entries}


ALIKE: tuple[tuple[Entry, ...], ...] = tuple(_made())
"""The entries that have one text, together."""

FAILURES: Mapping[str, Entry] = {entry.code: entry for entries in ALIKE for entry in entries}
"""Every entry by its code."""


_HOST_MISTAKEN = (
    "Correct `host` in the configuration. Where {host} is right, have an address of it published."
)
BY_OWNER: Mapping[tuple[Reason, Owner], str] = {
    (Reason.NXDOMAIN, Owner.CONFIGURATION): _HOST_MISTAKEN,
    (Reason.NO_DATA, Owner.CONFIGURATION): _HOST_MISTAKEN,
    (Reason.UNTESTABLE, Owner.CONFIGURATION): "Correct the option that the evidence names.",
    (Reason.LOST, Owner.RELAY): "Look the message up at {host} with the command in the evidence. "
    "If it waits in the queue, the reason stands beside it. If it has left, its log names the next "
    "host.",
    (Reason.LOST, Owner.RECEIVER_MX): "Ask the operator of {host} to look the message up. Name the "
    "queue id, the time and the recipient.",
}
"""The change to make where the owner is another one than that of most such failures."""


def failure_remedy(failure: Failure) -> str:
    """Return the change that the owner of this failure has to make, with its open words."""
    usual = failure_entry(failure.phase, failure.reason).remedy
    return BY_OWNER.get((failure.reason, failure.owner), usual)


def failure_entry(phase: Phase, reason: Reason) -> Entry:
    """Return the entry of a failure; a reason without a text in that phase has that of others."""
    return FAILURES.get(f"{phase}.{reason}") or _entry(_BY_REASON[reason], phase)
