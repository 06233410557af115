"""The areas of a diagnosis."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """What is diagnosed by one kind of probe, and the sentence for each end it may come to.

    `good`, `flawed` (there are warnings) and `broken` (a finding is a failure) are of runs that
    came to their end, `bad` and `bad_for_now` (it may pass) of those that did not. `of_a_part`
    stands for `good` where not everything was examined.
    """

    name: str
    title: str
    good: str
    flawed: str
    broken: str
    bad: str
    bad_for_now: str
    of_a_part: str = ""


AREAS = (
    Area(
        "mx",
        "Receiving mail",
        good="mail for {domain} is taken",
        flawed="mail for {domain} is taken",
        broken="the mail servers of {domain} answer",
        bad="mail for {domain} cannot be delivered",
        bad_for_now="mail for {domain} is deferred now",
    ),
    Area(
        "policy",
        "Transport security",
        good="nothing that {domain} promises about TLS is broken",
        flawed="what {domain} promises about TLS has defects, and mail is delivered all the same",
        broken="part of what {domain} promises about TLS is broken, and mail is delivered all the "
        "same",
        bad="senders that hold {domain} to its word do not deliver",
        bad_for_now="senders that hold {domain} to its word do not deliver now",
    ),
    Area(
        "sender",
        "Sending mail",
        good="receivers can tell mail of {domain} from forged mail",
        flawed="what {domain} says of its mail has defects",
        broken="receivers cannot rely on what {domain} says of its mail",
        bad="receivers have reason to doubt mail of {domain}",
        bad_for_now="receivers cannot find out now what {domain} says of its mail",
        of_a_part="by what was examined, receivers can tell mail of {domain} from forged mail",
    ),
    Area(
        "nameservers",
        "Name servers",
        good="the zone of {domain} is served with authority",
        flawed="the name servers of {domain} answer, and not all as they should",
        broken="the name servers of {domain} are in trouble",
        bad="the name servers of {domain} are in trouble",
        bad_for_now="the name servers of {domain} are in trouble now",
    ),
)
"""The areas in the order of the report; one whose kind is not registered is left out."""
