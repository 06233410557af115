"""Authorisation of DMARC report addresses in other domains: RFC 9990 §4, RFC 7489 §7.1."""

from dataclasses import dataclass
from enum import StrEnum

from probes.records.dmarc.discovery import WalkStep, walk_up
from probes.records.dmarc.record import is_dmarc
from probes.records.looked_up import Lookup, is_domain_name, texts


class Authorisation(StrEnum):
    """The authorisation of a report address in another domain."""

    SAME_ORGANISATION = "same_organisation"
    """No authorisation is needed."""
    AUTHORISED = "authorised"
    REFUSED = "refused"
    """No record authorises it: receivers send no report."""
    UNKNOWN = "unknown"
    """The look-up failed."""


@dataclass(frozen=True, slots=True)
class ReportAuthorisation:
    """The authorisation of one destination.

    `name` is the name of the record that gives or would give it, "" if none is needed.
    """

    destination: str
    status: Authorisation
    name: str = ""
    detail: str = ""
    is_ours: bool = False


async def authorisation(
    policy_domain: str, destination: str, lookup: Lookup
) -> ReportAuthorisation:
    """The authorisation of `destination` to receive reports about `policy_domain`."""
    if destination == policy_domain:
        return ReportAuthorisation(destination, Authorisation.SAME_ORGANISATION)
    theirs, ours = await walk_up(destination, lookup), await walk_up(policy_domain, lookup)
    failed = theirs.failed or ours.failed
    if failed is not None:
        return _unknown(destination, failed)
    if theirs.organisational_domain == ours.organisational_domain:
        return ReportAuthorisation(destination, Authorisation.SAME_ORGANISATION)
    return await _agreement(policy_domain, destination, lookup)


def _unknown(destination: str, failed: WalkStep) -> ReportAuthorisation:
    """The result of a failed organisation look-up: the need for a record is not known."""
    name = f"_dmarc.{failed.domain}"
    return ReportAuthorisation(
        destination, Authorisation.UNKNOWN, name, failed.detail, failed.is_ours
    )


async def _agreement(policy_domain: str, destination: str, lookup: Lookup) -> ReportAuthorisation:
    name = f"{policy_domain}._report._dmarc.{destination}"
    if not is_domain_name(name):
        detail = "the name to ask would be too long"
        return ReportAuthorisation(destination, Authorisation.REFUSED, name, detail)
    found = await lookup(name, "TXT")
    if found.failed:
        return ReportAuthorisation(
            destination, Authorisation.UNKNOWN, name, found.detail, found.is_ours
        )
    agrees = any(is_dmarc(text) for text in texts(found))
    status = Authorisation.AUTHORISED if agrees else Authorisation.REFUSED
    return ReportAuthorisation(destination, status, name, str(found.status))
