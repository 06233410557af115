"""`POST /-/reload`: reads the configuration again, as SIGHUP does, and answers what came of it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from exporter.model import Config

OFF = (
    "reloading over HTTP is off; set `enable_lifecycle: true`, or start with "
    "--web.enable-lifecycle, or send SIGHUP\n"
)
FOREIGN = "a page of another site must not reload this service\n"
_OWN_SITES = (None, "same-origin", "none")


class Problem(Protocol):
    """Why a reload was not done."""

    @property
    def text(self) -> str: ...

    @property
    def is_in_file(self) -> bool: ...


class Reloader:
    """Answers requests to reload; `is_enabled` by the command line, or else by the file in force.

    A browser says whether another site's page made it ask (`Sec-Fetch-Site`): such a request is
    refused, because the person at the browser did not mean it.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        reload: Callable[[], Awaitable[Problem | None]],
        *,
        is_enabled: bool = False,
    ) -> None:
        self._config = config
        self._reload = reload
        self._is_enabled = is_enabled

    async def answer(self, fetch_site: str | None) -> tuple[int, str]:
        """Reload; the HTTP status and the text: 400 if the file is bad, 500 if we could not."""
        if not self._is_enabled and not self._config().service.enable_lifecycle:
            return 403, OFF
        if fetch_site not in _OWN_SITES:
            return 403, FOREIGN
        problem = await self._reload()
        if problem is None:
            return 200, "configuration reloaded\n"
        return 400 if problem.is_in_file else 500, f"{problem.text}\n"
