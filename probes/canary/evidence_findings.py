"""Findings about an arrived copy, each with its likely cause."""

from collections.abc import Iterator, Sequence

from probes.canary.hops import Chain
from probes.canary.mutation import Mutation, MutationKind
from probes.canary.trust import Alignment, Authentication
from probes.records.signatures.dkim_verification import DkimStatus, DkimVerdict
from probes.records.spam.values import SpamVerdict
from probes.result import Finding, Status, one_line

_KEY_TROUBLE = frozenset(
    (
        *(DkimStatus.KEY_MISSING, DkimStatus.KEY_REVOKED, DkimStatus.KEY_MALFORMED),
        *(DkimStatus.KEY_UNSUITABLE, DkimStatus.KEY_WEAK),
    )
)
_DAMAGE = frozenset((DkimStatus.BODY_CHANGED, DkimStatus.HEADER_CHANGED))
HARMLESS = frozenset(
    (
        *(MutationKind.HEADER_REFOLDED, MutationKind.HEADER_REENCODED, MutationKind.REENCODED),
        MutationKind.WHITE_SPACE_CHANGED,
    )
)
"""Changes of the form, harmless if no signature covers the changed part."""


def findings(
    chain: Chain,
    verdicts: Sequence[DkimVerdict] | None,
    results: Sequence[Authentication],
    aligned: Alignment,
    changed: Sequence[Mutation],
    spam: Sequence[SpamVerdict],
    *,
    is_cut: bool,
) -> tuple[Finding, ...]:
    """All findings, in the order for a reader."""
    return (
        *(_cut() if is_cut else ()),
        *_signatures(verdicts or (), changed),
        *_disagreements(verdicts or (), results),
        *(() if verdicts is None else _dmarc(aligned, results)),
        *_forged(results),
        *_changes(changed),
        *_spam(spam),
        *_clocks(chain),
    )


def unreadable(why: str) -> Finding:
    """The finding for a copy that the mailbox did not give: there is no evidence."""
    return Finding("arrival.copy.unread", Status.UNTESTABLE, "message", one_line(why), "")


def _cut() -> Iterator[Finding]:
    evidence = "it is too large to be read whole (16 MiB): nothing is said of its body"
    yield Finding("arrival.message.too_large", Status.NOTICE, "message", evidence, "")


def _signatures(verdicts: Sequence[DkimVerdict], changed: Sequence[Mutation]) -> Iterator[Finding]:
    """Findings about invalid signatures, RFC 6376 §6.1."""
    for one in verdicts:
        code, status = "arrival.dkim.unusable", Status.WARNING
        evidence = one.detail
        if one.is_pass:
            continue
        if one.status in _DAMAGE:
            code, status = "arrival.dkim.broken", Status.FAILURE
            causes = [m.detail for m in changed if one.label in m.broke]
            evidence = "; ".join((one.detail, *causes))
        elif one.status in _KEY_TROUBLE:
            code, status = "arrival.dkim.key", Status.FAILURE
        elif one.status is DkimStatus.KEY_UNAVAILABLE:
            status = Status.UNTESTABLE
        yield Finding(code, status, one.label, one_line(evidence), "RFC 6376 §6.1")


def _disagreements(
    verdicts: Sequence[DkimVerdict], results: Sequence[Authentication]
) -> Iterator[Finding]:
    """Findings about signatures on which the receiver's verdict differs from ours."""
    for one in verdicts:
        said = _said_of(one, results)
        if said is None or (said == "pass") == one.is_pass:
            continue
        if one.status is DkimStatus.KEY_UNAVAILABLE:
            continue
        evidence = f"the receiver says {said}, we say {one.result} ({one.detail}): "
        yield Finding(
            "arrival.dkim.receiver_disagrees",
            Status.WARNING,
            one.label,
            one_line(evidence + _likely_cause(one, said)),
            "RFC 8601 §2.7.1",
        )


def _likely_cause(one: DkimVerdict, said: str) -> str:
    if said == "pass" and one.status in _DAMAGE:
        return "it was changed after the receiver looked at it"
    if said == "pass" and one.status in _KEY_TROUBLE:
        return "the key record was changed since, or is not the same everywhere"
    if said == "pass":
        return "the receiver is more lenient than the standard"
    if said in ("temperror", "permerror"):
        return "the receiver could not get or read the key when it looked"
    return "the receiver saw another key record, or judges by a rule of its own"


def _said_of(verdict: DkimVerdict, results: Sequence[Authentication]) -> str | None:
    """The trusted result for that signature, by domain and by selector if one is given.

    None if several results fit and differ: without a selector, signatures of one domain cannot be
    told apart.
    """
    signature = verdict.signature
    if signature is None:
        return None
    words = set()
    for one in results:
        result = one.result
        if not one.is_trusted or result.method != "dkim":
            continue
        domain = (
            result.value("header", "d") or (result.value("header", "i") or "").rpartition("@")[2]
        )
        selector = result.value("header", "s")
        if domain.lower() != signature.domain:
            continue
        if selector is None or selector.lower() == signature.selector:
            words.add(result.result)
    return words.pop() if len(words) == 1 else None


def _dmarc(aligned: Alignment, results: Sequence[Authentication]) -> Iterator[Finding]:
    """Findings about a DMARC result that differs from our alignment, RFC 7489 §4.2."""
    said = {one.result.result for one in results if one.is_trusted and one.result.method == "dmarc"}
    ours = "pass" if aligned.is_aligned else "fail"
    if len(said) != 1 or aligned.author_domain is None or not said & {"pass", "fail"} - {ours}:
        return
    cause = "a signature was broken or its key was out of reach when it looked"
    if ours == "fail":
        cause = "it was changed after the receiver looked at it, or the receiver counts other names"
    evidence = f"the receiver says {said.pop()}, by what we see it is {ours}: {cause}"
    subject = aligned.author_domain
    code = "arrival.dmarc.receiver_disagrees"
    yield Finding(code, Status.WARNING, subject, evidence, "RFC 7489 §3.1")


def _forged(results: Sequence[Authentication]) -> Iterator[Finding]:
    """Findings about forged results: untrusted ones with the receiver's name, RFC 8601 §5."""
    believed = {one.authserv_id for one in results if one.is_trusted}
    forged = {one.authserv_id for one in results if not one.is_trusted} & believed
    for name in sorted(name or "" for name in forged):
        evidence = "results in the receiver's name stand below its own header; they are ignored"
        code = "arrival.authentication.forged"
        yield Finding(code, Status.NOTICE, one_line(name), evidence, "RFC 8601 §5")


def _changes(changed: Sequence[Mutation]) -> Iterator[Finding]:
    for one in changed:
        status = Status.INFO if one.kind in HARMLESS and not one.broke else Status.WARNING
        where = (
            "" if one.between is None else f" (between hop {one.between[0]} and {one.between[1]})"
        )
        broke = f"; broke {', '.join(one.broke)}" if one.broke else ""
        evidence = one_line(one.detail + where + broke)
        yield Finding(f"arrival.altered.{one.kind}", status, one.kind, evidence, "RFC 5321 §6.4")


def _spam(spam: Sequence[SpamVerdict]) -> Iterator[Finding]:
    for one in spam:
        if one.is_spam:
            score = "" if one.score is None else f", score {one.score:g}"
            limit = "" if one.threshold is None else f" of {one.threshold:g}"
            evidence = f"the filter calls it spam{score}{limit}"
            yield Finding("arrival.spam.marked", Status.WARNING, one.system, evidence, "")


def _clocks(chain: Chain) -> Iterator[Finding]:
    for hop in chain.hops:
        if hop.is_skewed:
            evidence = "its stamp cannot be true together with the others"
            offset = hop.clock_offset
            if offset is not None and offset.max is not None:
                evidence += f": its clock is {offset.min:+.0f} to {offset.max:+.0f} s off"
            subject = one_line(hop.by or f"hop {hop.position}")
            yield Finding("arrival.clock.skewed", Status.NOTICE, subject, evidence, "RFC 5321 §4.4")
