"""The transport below an IMAP session: octets in, whole responses out, nothing kept in between."""

from collections.abc import Callable

from probes.net.errors import NetError
from probes.net.stream import Stream
from probes.records import RecordError
from probes.records.imap.framing import Framer, Raw
from probes.records.imap.reader import read_response
from probes.records.imap.responses import Response
from probes.result import ProbeFailure, Reason

RESPONSES_PER_TURN = 50
"""Responses read before others get their turn: of a flood half a millisecond, which a probe beside
it, that needs some sixty turns, has to wait for each time."""


class Wire(Stream):
    """One connection. Responses go to `on_response` in their order, its end to `on_end`.

    A held wire does not parse the octets it receives. It is held from the beginning until
    `release`, and again after `hold`. TLS begins only on a held wire that has received nothing.
    """

    def __init__(
        self, name: str, on_response: Callable[[Response], None], on_end: Callable[[], None]
    ) -> None:
        super().__init__(name)
        self.framer = Framer()
        self._on_response = on_response
        self._on_end = on_end
        self._secrets: list[str] = []
        self._is_held = True
        self._is_pumping = False

    @property
    def has_unread(self) -> bool:
        """True when octets came that no response was read from."""
        return not self.framer.is_empty

    def ended(self, failure: ProbeFailure) -> None:  # noqa: ARG002 - the wire keeps it
        """Tell the session."""
        self._on_end()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self.failure is None:
            self.framer.feed(data)
            if not self._is_pumping:
                self._pump()

    # The session's side

    def hold(self) -> None:
        """Read no response after the one that is being read."""
        self._is_held = True

    def release(self) -> None:
        """Parse the octets received so far and those to come."""
        if self._is_held:
            self._is_held = False
            self._pump()

    def hide(self, secret: str) -> None:
        """Show `***` wherever the peer repeats this text to us."""
        if secret:
            self._secrets.append(secret)

    def without_secrets(self, text: str) -> str:
        """`text` as it may be shown."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _pump(self) -> None:
        """Parse a bounded number of responses per turn, so that a flood never holds the loop."""
        self._is_pumping = False
        try:
            for _ in range(RESPONSES_PER_TURN):
                if self._is_held or self.failure is not None:
                    self._pause()
                    return
                raw = self.framer.next()
                if raw is None:
                    self._resume()
                    return
                self._on_response(self._read(raw))
        except RecordError as error:
            self.fail(NetError(Reason.MALFORMED_REPLY, f"{self.name}: {error}"))
            return
        self._is_pumping = True
        self._pause()
        self.loop.call_soon(self._pump)

    def _read(self, raw: Raw) -> Response:
        try:
            return read_response(raw)
        except RecordError:
            if self._is_secret(b" ".join(raw)):
                raise RecordError("not an IMAP response, but our password") from None
            raise

    def _is_secret(self, octets: bytes) -> bool:
        said = octets.decode("utf-8", "replace")
        return self.without_secrets(said) != said
