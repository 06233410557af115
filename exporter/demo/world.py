"""The embedded mail world: everything a canary meets on its way, on loopback ports."""

import secrets
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exporter.demo import scenario
from exporter.demo.behaviours import ServerBehaviour, Treatment
from exporter.demo.certificates import Authority
from exporter.demo.faults import Fault, in_force, intended
from exporter.demo.imap_server import INBOX, JUNK, ImapServer
from exporter.demo.lookups import Lookups
from exporter.demo.mx_host import MxHandler
from exporter.demo.relay import Relay, RelayOptions
from exporter.demo.scenario import Access
from exporter.demo.smtp_servers import SmtpServer, without_deprecation_notice
from exporter.demo.submission import Signer, SubmissionHandler
from exporter.testbed.servers.dns_server import DnsServer
from probes.canary.lifecycle import Outcome
from probes.mailboxes.interface import Placement

_DKIM_SELECTOR = "demo"


class MailWorld:
    """A DNS server, a submission server with its relay, an MX host and an IMAP mailbox.

    Use it as `async with MailWorld() as world`; every port is chosen by the system. `faults` are
    in force from the beginning; `retry_after` is how many seconds the relay waits before it tries
    again, `lifetime` how many it does so before it returns the message.
    """

    access: Access
    """Where the servers are; set once the world is entered."""

    def __init__(
        self, faults: Iterable[Fault] = (), *, retry_after: float = 2.0, lifetime: float = 300.0
    ) -> None:
        self._faults = tuple(faults)
        self._retry_after = retry_after
        self._lifetime = lifetime
        self._behaviour = in_force(scenario.FAULTLESS, self._faults)
        self._stack = AsyncExitStack()
        self._password = secrets.token_urlsafe(12)
        authority = Authority()
        self._authority = authority
        self._submission_certificate = authority.issue(scenario.SUBMISSION_HOST)
        self._mx_certificate = authority.issue(scenario.MX_HOST)
        self._imap_certificate = authority.issue(scenario.IMAP_HOST)
        self._signer = Signer(scenario.SENDER_DOMAIN, _DKIM_SELECTOR)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults in force, in the order in which they were applied."""
        return self._faults

    @property
    def dns(self) -> DnsServer:
        """The world's DNS server, which takes further zones and faults while it runs."""
        return self._dns

    @property
    def intended(self) -> Mapping[str, Outcome]:
        """How each example path should end, with the faults in force."""
        return intended(self._faults)

    def config_text(self, *, ledger: str, listen: str) -> str:
        """A complete configuration that watches the example paths of this world, as YAML."""
        return scenario.config_text(self.access, ledger=ledger, listen=listen)

    async def apply(self, *faults: Fault) -> None:
        """Put further faults in force."""
        self._faults += faults
        await self._behave()

    async def heal(self) -> None:
        """End every fault. Damage done under them stays."""
        self._faults = ()
        await self._behave()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            await self._behave()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        stack.enter_context(without_deprecation_notice())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mailcanary-demo-"))
        ca_file = Path(folder) / "ca.pem"
        self._authority.write_ca_file(ca_file)
        zones = scenario.zones(self._signer.record_name, self._signer.record)
        self._dns = await stack.enter_async_context(DnsServer(zones))
        lookups = Lookups(self._dns.address, self._dns.port)
        await self._start_mailbox(stack)
        self._start_mx(stack, lookups)
        self._start_submission(stack, lookups)
        self.access = Access(
            dns_port=self._dns.port,
            submission_port=self._submission.port,
            submissions_port=self._submissions.port,
            mx_port=self._mx.port,
            imap_port=self._imap.port,
            username=scenario.ACCOUNT,
            password=self._password,
            ca_file=ca_file,
        )

    async def _start_mailbox(self, stack: AsyncExitStack) -> None:
        self._imap = ImapServer(scenario.IMAP_HOST, self._imap_certificate.context)
        stack.push_async_callback(self._imap.close)
        await self._imap.add_account(scenario.ACCOUNT, self._password)

    def _start_mx(self, stack: AsyncExitStack, lookups: Lookups) -> None:
        handler = MxHandler(
            addresses=scenario.ADDRESSES,
            treatment=self._treatment,
            host_name=scenario.MX_HOST,
            lookups=lookups,
            deliver=self._deliver,
            spam_marker=scenario.GTUBE.encode("ascii"),
        )
        stack.push_async_callback(handler.close)
        self._mx = SmtpServer(
            handler,
            self._mx_behaviour,
            host_name=scenario.MX_HOST,
            tls_context=self._mx_certificate.context,
        )
        stack.push_async_callback(self._mx.close)

    def _start_submission(self, stack: AsyncExitStack, lookups: Lookups) -> None:
        options = RelayOptions(
            host_name=scenario.SUBMISSION_HOST,
            local_domain=scenario.SENDER_DOMAIN,
            mx_port=self._mx.port,
            retry_after=self._retry_after,
            lifetime=self._lifetime,
        )
        relay = Relay(options, lookups, self._deliver_local)
        stack.push_async_callback(relay.close)
        handler = SubmissionHandler(
            relay,
            self._submission_behaviour,
            scenario.SUBMISSION_HOST,
            self._signer,
            {scenario.ACCOUNT: self._password},
        )
        tls = self._submission_certificate.context
        self._submission = _submission_server(handler, self._submission_behaviour, tls_context=tls)
        stack.push_async_callback(self._submission.close)
        self._submissions = _submission_server(
            handler, self._submission_behaviour, implicit_tls=tls
        )
        stack.push_async_callback(self._submissions.close)

    async def _behave(self) -> None:
        """Set the servers as the faults in force need them."""
        behaviour = self._behaviour = in_force(scenario.FAULTLESS, self._faults)
        self._submission_certificate.show(is_expired=behaviour.submission.has_expired_certificate)
        self._mx_certificate.show(is_expired=behaviour.mx.has_expired_certificate)
        self._imap_certificate.show(is_expired=behaviour.imap.has_expired_certificate)
        self._dns.faults = dict(behaviour.dns)
        for server, wanted in (
            (self._submission, behaviour.submission),
            (self._submissions, behaviour.submission),
            (self._mx, behaviour.mx),
            (self._imap, behaviour.imap),
        ):
            await (server.go_down() if wanted.is_down else server.open())

    def _submission_behaviour(self) -> ServerBehaviour:
        return self._behaviour.submission

    def _mx_behaviour(self) -> ServerBehaviour:
        return self._behaviour.mx

    def _treatment(self, address: str) -> Treatment:
        return self._behaviour.treatment(address)

    async def _deliver(self, account: str, placement: Placement, content: bytes) -> None:
        folder = JUNK if placement is Placement.JUNK else INBOX
        await self._imap.deliver(account, folder, content)

    async def _deliver_local(self, recipient: str, content: bytes) -> bool:
        """The sender's own provider delivers mail that comes back to its domain itself."""
        account = scenario.ADDRESSES.get(recipient.lower())
        if account is not None:
            await self._imap.deliver(account, INBOX, b"Return-Path: <>\r\n" + content)
        return account is not None


def _submission_server(
    handler: SubmissionHandler, behaviour: Callable[[], ServerBehaviour], **options: Any
) -> SmtpServer:
    return SmtpServer(
        handler,
        behaviour,
        host_name=scenario.SUBMISSION_HOST,
        auth_required=True,
        authenticator=handler.authenticate,
        **options,
    )
