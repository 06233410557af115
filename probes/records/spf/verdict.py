"""What the evaluation of an SPF policy came to: the result, the way to it and what it cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from probes.records.spf.record import SpfResult


@dataclass(frozen=True, slots=True)
class SpfLimits:
    """RFC 7208 §4.6.4: look-up terms, terms whose look-ups are void, names of one mx or ptr."""

    lookups: int = 10
    voids: int = 2
    names: int = 10


class StepOutcome(StrEnum):
    """What became of one term."""

    MATCH = "match"
    NO_MATCH = "no_match"
    FOLLOWED = "followed"
    """A redirect whose target's policy was taken."""
    ERROR = "error"
    """The evaluation ended in it."""


@dataclass(frozen=True, slots=True)
class SpfStep:
    """One term as it was evaluated. `questions` are look-ups in their order, `TXT name: outcome`.

    `inner` is the policy an include or redirect led to, None for other terms and where there was
    none to read.
    """

    term: str
    outcome: StepOutcome
    questions: tuple[str, ...] = ()
    inner: "SpfNode | None" = None


@dataclass(frozen=True, slots=True)
class SpfNode:
    """The policy of one domain as far as it was evaluated.

    `record` is its text, "" if none was read. `result` is None if an error ended the
    evaluation within.
    """

    domain: str
    record: str
    steps: tuple[SpfStep, ...]
    result: SpfResult | None

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The tree for people, a line for every policy and term."""
        yield f"{'  ' * depth}{self.domain}: {self.record or 'no record'}"
        for step in self.steps:
            yield f"{'  ' * depth}  {step.term}: {step.outcome}"
            if step.inner is not None:
                yield from step.inner.lines(depth + 2)


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """The outcome of check_host(), RFC 7208 §4.

    `domain` is whose policy was asked for. `matched` is the term of that policy (or of the one a
    redirect led to) that decided, None for none, errors and the neutral of a policy in which
    nothing matched; `path` leads from the first policy to the innermost term that matched, as
    `domain: term`. `explanation` is the domain's own (§6.2), None if it gives none or the result
    is not fail. `lookups` and `void_lookups` are terms counted as §4.6.4 counts them, `questions`
    all questions asked. `problem` says why for none and the errors, "" otherwise. For a
    temperror `failure` is that of the look-up, and `is_ours` True if our own resolver is why.
    `tree` is None if no policy was asked for.
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
