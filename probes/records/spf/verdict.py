"""The outcome of an SPF evaluation: the result, the terms on the way and the cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from probes.records.spf.record import SpfResult


@dataclass(frozen=True, slots=True)
class SpfLimits:
    """The limits of RFC 7208 §4.6.4: look-up terms, void terms, names of one mx or ptr."""

    lookups: int = 10
    voids: int = 2
    names: int = 10


class StepOutcome(StrEnum):
    """The outcome of one term."""

    MATCH = "match"
    NO_MATCH = "no_match"
    FOLLOWED = "followed"
    """A redirect, taken: the target's policy applies."""
    ERROR = "error"
    """The term ended the evaluation."""


@dataclass(frozen=True, slots=True)
class SpfStep:
    """One evaluated term; `questions` are its look-ups in order, `TXT name: outcome`.

    `inner` is the policy of an include or redirect. It is None for other terms and if there was no
    policy to read.
    """

    term: str
    outcome: StepOutcome
    questions: tuple[str, ...] = ()
    inner: "SpfNode | None" = None


@dataclass(frozen=True, slots=True)
class SpfNode:
    """The policy of one domain, as far as it was evaluated.

    `record` is its text, "" if none was read. `result` is None if an error ended the evaluation
    inside it.
    """

    domain: str
    record: str
    steps: tuple[SpfStep, ...]
    result: SpfResult | None

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The tree for people, one line for every policy and term."""
        yield f"{'  ' * depth}{self.domain}: {self.record or 'no record'}"
        for step in self.steps:
            yield f"{'  ' * depth}  {step.term}: {step.outcome}"
            if step.inner is not None:
                yield from step.inner.lines(depth + 2)


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """The outcome of check_host(), RFC 7208 §4.

    `domain` is the domain of the policy. `matched` is the deciding term of that policy, or of the
    one a redirect led to. It is None for none, for errors, and for the neutral of a policy without
    a match. `path` leads from the first policy to the innermost term that matched, as `domain:
    term`.

    `explanation` is the domain's own (§6.2), None if it gives none or the result is not fail.
    `lookups` and `void_lookups` are terms counted as §4.6.4 counts them, `questions` all DNS
    queries. `problem` is the reason of none and the errors, "" otherwise. For a temperror,
    `failure` is that of the look-up, and `is_ours` is True if our own resolver is the cause. `tree`
    is None if no policy was looked up.
    """

    result: SpfResult
    domain: str
    explanation: str | None = None
    matched: str | None = None
    path: tuple[str, ...] = ()
    lookups: int = 0
    void_lookups: int = 0
    questions: int = 0
    problem: str = ""
    is_ours: bool = False
    failure: str = ""
    tree: SpfNode | None = None
