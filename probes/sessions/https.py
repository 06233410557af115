"""One document over HTTPS, every step timed: shared by the kinds that read the web."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from probes.net import Net
from probes.net.https import MAX_BODY, HttpsSession
from probes.records import RecordError
from probes.records.https_response import HttpsResponse
from probes.result import Phase
from probes.sessions.connecting import first_that_connects, host_addresses
from probes.trace import Trace

HTTPS_PORT = 443


async def fetch(
    net: Net,
    url: str,
    trace: Trace,
    *,
    ca_file: str | None = None,
    max_body: int = MAX_BODY,
    addresses: Sequence[str] | None = None,
) -> HttpsResponse:
    """GET `url` from the first of its host's addresses that takes a connection.

    `addresses` are tried where the caller has looked them up already; None: they are looked up. The
    certificate has to be trusted and to name the host; any status is an answer. Raises RecordError
    for a URL that is not `https:`, and ProbeFailure.
    """
    host, port, authority, target = _parts(url)
    if addresses is None:
        addresses = await host_addresses(net, host, trace)
    async with await _connect(net, addresses, port, trace) as session:
        with trace.phase(Phase.TLS):
            facts = await session.handshake(net.trust.with_ca(ca_file).verifying, host)
        trace.facts.note(facts.as_facts())
        with trace.phase(Phase.HTTPS):
            response = await session.get(authority, target, max_body=max_body)
    trace.facts["https.status"] = response.status
    return response


def _parts(url: str) -> tuple[str, int, str, str]:
    """Host, port, Host field and request target of a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RecordError(f"not a URL: {url[:200]!r}") from error
    if parts.scheme != "https" or not host or parts.username is not None:
        raise RecordError(f"not an https URL: {url[:200]!r}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return host, HTTPS_PORT if port is None else port, parts.netloc, target


async def _connect(net: Net, addresses: Sequence[str], port: int, trace: Trace) -> HttpsSession:
    async def connect(address: str) -> HttpsSession:
        with trace.phase(Phase.CONNECT):
            return await HttpsSession.connect(net.dialer, address, port)

    found = await first_that_connects(addresses, connect)
    trace.facts["address"] = found.address
    return found.session
