"""What systemd is told of the process: ready, reloading, stopping, alive. See sd_notify(3)."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping

LOG = logging.getLogger("mailcanary")

_MICROSECOND = 1e-6


class ServiceManager:
    """Tells the service manager that started us; without one it tells nobody."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog = _watchdog_seconds(environ)
        """Seconds within which it wants to hear from us; None if it does not watch us."""

    def ready(self) -> None:
        self._tell("READY=1")

    def reloading(self) -> None:
        """To be followed by `ready`, whatever comes of it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    async def keep_alive(self) -> None:
        """Say that the event loop is alive, twice in each span, until cancelled."""
        while self.watchdog is not None:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / 2)

    def _tell(self, state: str) -> None:
        """Never waits: a manager that does not read loses the message."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(state.encode(), self._address)
        except OSError as error:
            LOG.warning(
                "the service manager was not told %s: %s", state.split("\n", maxsplit=1)[0], error
            )


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return the span of the watchdog, if it is meant for this process."""
    span, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (span.isascii() and span.isdigit() and int(span)) or process not in (
        "",
        f"{os.getpid()}",
    ):
        return None
    return int(span) * _MICROSECOND
