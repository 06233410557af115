"""So many sessions with one address at a time; the others wait in the order in which they came."""

import asyncio
from collections.abc import Callable

from probes.net.dial import canonical


class Slot:
    """A place at one address. The holder keeps it until its connection is gone."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave
        self.is_kept = False

    def keep(self) -> None:
        """A connection has it now, and ends it."""
        self.is_kept = True

    def end(self) -> None:
        """Let the next one in; a second end does nothing."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class _Line:
    """The places at one address, and how many have one or wait for one."""

    __slots__ = ("places", "users")

    def __init__(self, places: int) -> None:
        self.places = asyncio.Semaphore(places)
        self.users = 0


class AddressLimiter:
    """At most `places` slots at a time for each address and port, under any host name.

    It remembers an address only while somebody is there.
    """

    def __init__(self, places: int = 1) -> None:
        self._places = places
        self._lines: dict[tuple[str, int], _Line] = {}

    def is_free(self, address: str, port: int) -> bool:
        """Whether `enter`, called now, would not wait."""
        line = self._lines.get((canonical(address), port))
        return line is None or not line.places.locked()

    async def enter(self, address: str, port: int) -> Slot:
        """Wait for a turn, which the caller ends; `address` is an IP address in any spelling."""
        key = (canonical(address), port)
        line = self._lines.setdefault(key, _Line(self._places))
        line.users += 1
        try:
            await line.places.acquire()
        except BaseException:
            self._forget(key, line)
            raise
        return Slot(lambda: self._leave(key, line))

    def _leave(self, key: tuple[str, int], line: _Line) -> None:
        line.places.release()
        self._forget(key, line)

    def _forget(self, key: tuple[str, int], line: _Line) -> None:
        line.users -= 1
        if not line.users:
            del self._lines[key]
