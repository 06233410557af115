"""The greatest value of the last moments, in constant space."""

from probes.clock import Clock


class RollingMaximum:
    """The greatest value added in the current and the previous `span` seconds.

    So it covers between one and two spans; 0 where nothing was added.
    """

    def __init__(self, clock: Clock, span: float) -> None:
        self._clock = clock
        self._span = span
        self._since = clock.monotonic()
        self._current = self._previous = 0.0

    def add(self, value: float) -> None:
        """Take one value into account."""
        self._turn()
        self._current = max(self._current, value)

    def value(self) -> float:
        """The greatest value as of now."""
        self._turn()
        return max(self._current, self._previous)

    def _turn(self) -> None:
        spans = int((self._clock.monotonic() - self._since) / self._span)
        if spans > 0:
            self._previous = self._current if spans == 1 else 0.0
            self._current = 0.0
            self._since += spans * self._span
