"""Findings about an arrived copy, each with its likely cause."""

from collections.abc import Iterator, Sequence

from probes.canary.hops import Chain
from probes.canary.mutation import Mutation
from probes.canary.trust import Alignment, Authentication
from probes.catalogue import arrival
from probes.records.signatures.dkim_verification import DkimStatus, DkimVerdict
from probes.records.spam.values import SpamVerdict
from probes.records.subject import Subject
from probes.result import Finding, Status, one_line

_KEY_TROUBLE = frozenset(
    (
        *(DkimStatus.KEY_MISSING, DkimStatus.KEY_REVOKED, DkimStatus.KEY_MALFORMED),
        *(DkimStatus.KEY_UNSUITABLE, DkimStatus.KEY_WEAK),
    )
)
_DAMAGE = frozenset((DkimStatus.BODY_CHANGED, DkimStatus.HEADER_CHANGED))


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
    """The finding that the mailbox did not give the copy: there is no evidence."""
    return arrival.COPY_UNREAD.found(Status.UNTESTABLE, "message", one_line(why))


def _cut() -> Iterator[Finding]:
    evidence = "it is too large to be read whole (16 MiB): nothing is said of its body"
    yield arrival.MESSAGE_TOO_LARGE.found(Status.NOTICE, "message", evidence)


def _signatures(verdicts: Sequence[DkimVerdict], changed: Sequence[Mutation]) -> Iterator[Finding]:
    """Findings about invalid signatures, RFC 6376 §6.1."""
    for one in verdicts:
        entry, status = arrival.DKIM_UNUSABLE, Status.WARNING
        evidence = one.detail
        if one.is_pass:
            continue
        if one.status in _DAMAGE:
            entry, status = arrival.DKIM_BROKEN, Status.FAILURE
            causes = [m.detail for m in changed if one.label in m.broke]
            evidence = "; ".join((one.detail, *causes))
        elif one.status in _KEY_TROUBLE:
            entry, status = arrival.DKIM_KEY, Status.FAILURE
        elif one.status is DkimStatus.KEY_UNAVAILABLE:
            status = Status.UNTESTABLE
        yield entry.found(status, _signature(one), one_line(evidence))


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
        differ = f"the receiver says {said}, we say {one.result} ({one.detail}): "
        evidence = one_line(differ + _likely_cause(one, said))
        yield arrival.DKIM_RECEIVER_DISAGREES.found(Status.WARNING, _signature(one), evidence)


def _signature(one: DkimVerdict) -> Subject:
    signature = one.signature
    if signature is None:
        return Subject.of(one.label)
    return Subject.signature(signature.domain, signature.selector)


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
    evidence = f"the receiver says {said.pop()}, our own result is {ours}: {cause}"
    subject = aligned.author_domain
    yield arrival.DMARC_RECEIVER_DISAGREES.found(Status.WARNING, subject, evidence)


def _forged(results: Sequence[Authentication]) -> Iterator[Finding]:
    """Findings about forged results: untrusted ones with the receiver's name, RFC 8601 §5."""
    believed = {one.authserv_id for one in results if one.is_trusted}
    forged = {one.authserv_id for one in results if not one.is_trusted} & believed
    for name in sorted(name or "" for name in forged):
        evidence = "results in the receiver's name stand below its own header; they are ignored"
        yield arrival.AUTHENTICATION_FORGED.found(Status.NOTICE, one_line(name), evidence)


def _changes(changed: Sequence[Mutation]) -> Iterator[Finding]:
    for one in changed:
        entry = arrival.ALTERED[one.kind]
        is_harmless = Status.INFO in entry.severity and not one.broke
        status = Status.INFO if is_harmless else Status.WARNING
        where = (
            "" if one.between is None else f" (between hop {one.between[0]} and {one.between[1]})"
        )
        broke = f"; broke {', '.join(one.broke)}" if one.broke else ""
        evidence = one_line(one.detail + where + broke)
        yield entry.found(status, one.kind, evidence)


def _spam(spam: Sequence[SpamVerdict]) -> Iterator[Finding]:
    for one in spam:
        if one.is_spam:
            score = "" if one.score is None else f", score {one.score:g}"
            limit = "" if one.threshold is None else f" of {one.threshold:g}"
            evidence = f"the filter calls it spam{score}{limit}"
            yield arrival.SPAM_MARKED.found(Status.WARNING, one.system, evidence)


def _clocks(chain: Chain) -> Iterator[Finding]:
    for hop in chain.hops:
        if hop.is_skewed:
            evidence = "its stamp cannot be true together with the others"
            offset = hop.clock_offset
            if offset is not None and offset.max is not None:
                evidence += f": its clock is {offset.min:+.0f} to {offset.max:+.0f} s off"
            subject = one_line(hop.by or f"hop {hop.position}")
            yield arrival.CLOCK_SKEWED.found(Status.NOTICE, subject, evidence)
