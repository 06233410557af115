"""One row of the finding catalogue, and the words its texts may leave open."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from probes.records.subject import Subject
from probes.result import Aspect, Finding, Owner, Status

PLACEHOLDERS = frozenset(
    {
        *("subject", "domain", "host", "address", "port", "source_address", "ehlo_name"),
        *("resolver", "mail_from", "recipient", "job", "name", "rdtype", "zone"),
        *("list", "entry", "tlsa_name", "digest", "mx_host", "mechanisms"),
        *("time_option", "resolver_option", "from_option", "helo_option", "loopback_option"),
    }
)
"""Placeholders of remedies and verifications, written `{domain}`; the report fills them in."""

_OPEN = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Entry:
    """Documentation of one finding code.

    `summary` is one sentence without a full stop. `why` is the effect on mail. `remedy` is the
    change to make (the exact record or command). `verify` has commands to see the fault oneself,
    one a line. `reference` is the section that is broken, "" where none is. `severity` maps every
    status the finding can have to its condition. `owner` has to act. A finding that is `untestable`
    is ours, even if others own the code: `ours` is its owner; None: the monitor.

    `mended_in` is the record that mends it, None where a change of no record does. With
    `leaves_verdict` an untestable finding leaves the verdict standing: others of its kind were
    tested, or no mail depends on it. `refuses_nothing` is set for a policy by which no mail is
    refused. `is_beside_failure` is set for a finding that stands beside a failure or follows from
    it, and is never its cause. `is_about_reports` is set for a finding that touches reports alone,
    and no mail.
    """

    code: str
    summary: str
    why: str
    remedy: str
    verify: str
    reference: str
    owner: Owner
    severity: Mapping[Status, str]
    ours: Owner | None = None
    mended_in: Aspect | None = None
    leaves_verdict: bool = False
    refuses_nothing: bool = False
    is_beside_failure: bool = False
    is_about_reports: bool = False

    def found(
        self,
        status: Status,
        subject: Subject | str,
        evidence: str,
        *,
        owner: Owner | None = None,
        reference: str | None = None,
    ) -> Finding:
        """Return a finding with this code; a `subject` that is a text is a name or an address.

        `owner` is given where the case has an owner of its own, `reference` where one code stands
        for several sections.
        """
        section = self.reference if reference is None else reference
        about = subject if isinstance(subject, Subject) else Subject.of(subject)
        return Finding(self.code, status, about, evidence, section, owner)

    @property
    def anchor(self) -> str:
        """The entry's place in docs/generated/findings.md."""
        return self.code.replace(".", "").replace(" ", "-")

    def owner_of(self, status: Status) -> Owner:
        """Return the owner of a finding with that status."""
        if status is not Status.UNTESTABLE:
            return self.owner
        is_ours = self.owner in (Owner.CONFIGURATION, Owner.RESOLVER)
        return self.ours or (self.owner if is_ours else Owner.MONITOR)


def always(status: Status) -> Mapping[Status, str]:
    """The severity rule of a finding that has one status only."""
    return {status: "always"}


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders replaced; one that is not known stays as a word in capitals."""
    return _OPEN.sub(lambda found: values.get(found[1]) or found[1].upper(), text)


def placeholders(text: str) -> frozenset[str]:
    """The words that `text` leaves open."""
    return frozenset(_OPEN.findall(text))
