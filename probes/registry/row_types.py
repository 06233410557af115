"""The rows of the registry: everything the service knows of a kind, a route or a mailbox."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probes.canary.dkim_selectors import LearntSelector
from probes.canary.message import Canary
from probes.catalogue.parties import RELAY, Party
from probes.mailboxes.interface import Cursor, Interest, Report
from probes.net import Net
from probes.result import Aspect, Phase
from probes.trace import Trace


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """An area of a diagnosis: its title, and the sentence for each end it may come to.

    `good`, `flawed` (there are warnings) and `broken` (a finding is a failure) are of runs that
    came to their end, `bad` and `bad_for_now` (it may pass) of those that did not. `of_a_part`
    stands for `good` where not everything was examined.
    """

    title: str
    good: str
    flawed: str
    broken: str
    bad: str
    bad_for_now: str
    of_a_part: str = ""
    shows: tuple[str, ...] = ()
    """Families of facts (before the dot) that are shown of each host, address or record."""

    counts_addresses: bool = False
    """True if the sentence says how many addresses took the session."""

    tells_basis: bool = False
    """True if it tells what all areas rest on: that the domain exists, and a resolver answers."""

    rests_on_hosts: bool = False
    """True if it judges what MX hosts serve: without one that can be tried it was not tested."""

    asks_of_mx_hosts: bool = True
    """True if names without an address are MX hosts, False if they are name servers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A one-shot probe: the dataclass of its options and the protocol in order."""

    target: type
    probe: Callable[[Net, Any, Trace], Awaitable[None]]
    host: Callable[[Any], str]
    """Which host (or domain) a target loads; the scheduler paces by it."""

    phases: tuple[Phase, ...] = ()
    """Phases that are shown at zero from the start; others appear with their first run."""

    aspects: tuple[Aspect, ...] = ()
    """Aspects of a target that are compared from run to run."""

    diagnosed: Diagnosed | None = None
    """The area of a diagnosis; None if `diagnose` does not run this kind."""

    visits_mx_hosts: bool = False
    """True if its parts are addresses of MX hosts with which it held a session."""

    has_mx_metrics: bool = False
    """True if its parts are MX hosts with metrics of their own (`mailcanary_mx_*`)."""

    with_selectors: Callable[[Any, tuple[LearntSelector, ...]], Any] | None = None
    """Add to a target the DKIM selectors seen on canaries from its host; None: it needs none."""


@dataclass(frozen=True, slots=True)
class RouteKind:
    """A way to hand a canary over."""

    target: type
    hand_over: Callable[[Net, Any, Canary, Trace], Awaitable[None]]
    host: Callable[[Any, Canary], str]
    phases: tuple[Phase, ...] = ()
    """Phases that are shown at zero from the start; others appear with their first run."""

    party: Party = RELAY
    """The party that takes the message, and owns what happens to it there."""


@dataclass(frozen=True, slots=True)
class MailboxKind:
    """A way to see canaries arrive.

    `watch` runs until it is cancelled or raises ProbeFailure; the caller reconnects. `remove`
    deletes our own settled canaries, given as folder, epoch and id -> token (see `Place`), and
    returns the tokens that are gone.
    """

    target: type
    watch: Callable[[Net, Any, Interest, Mapping[str, Cursor], Report], Awaitable[None]]
    remove: Callable[[Net, Any, str, str, Mapping[str, str]], Awaitable[frozenset[str]]]
    keep: Callable[[Any], float | None]
    """Seconds a settled canary stays in the mailbox, None for ever."""
    host: Callable[[Any], str]
    trusted_authserv_ids: Callable[[Any], tuple[str, ...]]
    """Whose Authentication-Results are believed; empty = whoever is found to be the receiver."""
