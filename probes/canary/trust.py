"""Trust in Authentication-Results fields, and their results for the author's domain.

Anyone may write such a field; only those of the receiving side count, RFC 8601 §4.1, §7.1.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from probes.records.authentication_results import (
    AuthenticationResults,
    MethodResult,
    parse_authentication_results,
)
from probes.records.author_field import author_addresses
from probes.records.raw_message import RawMessage
from probes.records.received import Received
from probes.records.signatures.dkim_verification import DkimVerdict

MAX_RESULT_FIELDS = 50
"""Authentication-Results fields that are read, from the top."""

OrganisationalDomain = Callable[[str], str]
"""Returns the Organizational Domain of a domain, RFC 7489 §3.2; names in lower case."""

_TRACE = ("received-spf", "authentication-results", "return-path", "delivered-to")


@dataclass(frozen=True, slots=True)
class Authentication:
    """One method's result.

    `hops_below` is the number of Received fields below its field: 0 for a field older than the
    first relay.
    """

    authserv_id: str | None
    is_trusted: bool
    hops_below: int
    result: MethodResult


@dataclass(frozen=True, slots=True)
class Alignment:
    """Identifier alignment with the author domain, RFC 7489 §3.1.

    `author_domain` is None if From is missing or names several. The `dkim_` tuples are labels of
    signatures that are valid by our own check and aligned. SPF is the receiver's result, as only
    the receiver saw the connection. `spf_domain` is None if no trusted result is pass.
    """

    author_domain: str | None = None
    dkim_relaxed: tuple[str, ...] = ()
    dkim_strict: tuple[str, ...] = ()
    spf_domain: str | None = None
    is_spf_relaxed: bool = False
    is_spf_strict: bool = False

    @property
    def is_aligned(self) -> bool:
        """True if DMARC passes under relaxed alignment, the default."""
        return bool(self.dkim_relaxed) or self.is_spf_relaxed


def last_two_labels(domain: str) -> str:
    """A substitute for the public suffix list: right for `.test` and `.com`, wrong for `.co.uk`."""
    return ".".join(domain.lower().rstrip(".").split(".")[-2:])


def authentications(
    message: RawMessage,
    received: Sequence[Received],
    trusted_ids: Collection[str],
    organisation: OrganisationalDomain,
) -> tuple[Authentication, ...]:
    """All results of all fields, top down; `received` are the Received fields, topmost first.

    With `trusted_ids` a field counts if it bears one of them and is above the last relay's Received
    field. Without them the topmost field names the trusted id. Fields then count only among the top
    relays that belong to the topmost relay's organisation. Some receivers write their field below
    their own Received field and none above it. They are trusted there, under the name in that
    Received field.
    """
    fields = _fields(message)
    border, last = _border(message, received, trusted_ids, organisation)
    wanted = {name.lower() for name in trusted_ids}
    above = [_id(one) for index, _, one in fields if index < border]
    if not wanted:
        wanted = set(above[:1])
    below_it = {*wanted, last} if not above and not trusted_ids else wanted
    reach = border if above else _trace_end(message, border)
    return tuple(
        Authentication(
            one.authserv_id,
            _id(one) in wanted if index < border else index < reach and _id(one) in below_it,
            below,
            result,
        )
        for index, below, one in fields
        for result in one.results
    )


def _id(field: AuthenticationResults) -> str:
    return (field.authserv_id or "").lower()


def alignment(
    message: RawMessage,
    verdicts: Sequence[DkimVerdict],
    results: Sequence[Authentication],
    organisation: OrganisationalDomain,
) -> Alignment:
    """The identifiers that DMARC compares; the policy is not looked up."""
    author = author_domain(message)
    if author is None:
        return Alignment()
    good = [one for one in verdicts if one.is_pass and one.signature is not None]
    strict = [v.label for v in good if v.signature and v.signature.domain == author]
    relaxed = [
        v.label
        for v in good
        if v.signature and organisation(v.signature.domain) == organisation(author)
    ]
    spf = _spf_domain(results)
    return Alignment(
        author_domain=author,
        dkim_relaxed=tuple(relaxed),
        dkim_strict=tuple(strict),
        spf_domain=spf,
        is_spf_relaxed=spf is not None and organisation(spf) == organisation(author),
        is_spf_strict=spf == author,
    )


def author_domain(message: RawMessage) -> str | None:
    """The one domain in From; None if there are several fields or domains, or none."""
    fields = message.all("from")
    if len(fields) != 1:
        return None
    addresses = author_addresses(fields[0].value)
    domains = {address.rpartition("@")[2].lower() for address in addresses}
    return domains.pop() if len(domains) == 1 else None


def _fields(message: RawMessage) -> list[tuple[int, int, AuthenticationResults]]:
    """The fields read, each with its index and the number of Received fields below it."""
    below = len(message.all("received"))
    found: list[tuple[int, int, AuthenticationResults]] = []
    for index, field in enumerate(message.fields):
        if field.name == "received":
            below -= 1
        elif field.name == "authentication-results" and len(found) < MAX_RESULT_FIELDS:
            found.append((index, below, parse_authentication_results(field.value)))
    return found


def _border(
    message: RawMessage,
    received: Sequence[Received],
    trusted_ids: Collection[str],
    organisation: OrganisationalDomain,
) -> tuple[int, str]:
    """The index behind the receiving side's lowest Received field, and that field's host.

    Fields above were added on the receiving side, RFC 8601 §5. The index is 0 for a message that
    was never relayed.
    """
    relays = [i for i, field in enumerate(message.fields) if field.name == "received"]
    own = len(received) if trusted_ids else _receiving_side(received, organisation)
    if not own:
        return 0, ""
    return relays[own - 1] + 1, (received[own - 1].by or "").lower()


def _trace_end(message: RawMessage, border: int) -> int:
    """The end of the trace fields directly below the border; the border itself if it is 0."""
    end = border
    while border > 0 and end < len(message.fields):
        name = message.fields[end].name
        if name not in _TRACE and not name.startswith("arc-"):
            break
        end += 1
    return end


def _receiving_side(received: Sequence[Received], organisation: OrganisationalDomain) -> int:
    """The number of relays, from the top, of one organisation; names without dots are internal."""
    home = ""
    for count, one in enumerate(received):
        name = (one.by or "").lower().rstrip(".")
        if "." not in name or name[-1:].isdigit() or ":" in name:
            continue
        home = home or organisation(name)
        if organisation(name) != home:
            return count
    return len(received)


def _spf_domain(results: Sequence[Authentication]) -> str | None:
    for one in results:
        if one.is_trusted and (one.result.method, one.result.result) == ("spf", "pass"):
            said = one.result.value("smtp", "mailfrom") or one.result.value("smtp", "helo")
            if said:
                return said.rpartition("@")[2].strip("<>").lower() or None
    return None
