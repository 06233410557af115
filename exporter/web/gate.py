"""What stands before every page: the login and the headers of the web configuration."""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress

import bcrypt
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.config.web_file import WebConfig

HEALTH = frozenset({"/-/healthy", "/-/ready"})
MAX_KNOWN = 100
"""Logins that are remembered as good."""

MAX_PASSWORD = 72
"""Octets that bcrypt looks at; a longer password is wrong."""

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="mailcanary"', "Cache-Control": "no-store"}


class Logins:
    """Checks passwords in a thread, one at a time; a good one is remembered for the next scrape.

    A wrong one is never remembered: whoever guesses waits in the queue each time, and Prometheus,
    whose login is known, does not. A user that does not exist costs the time of one that does.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._good: dict[bytes, None] = {}
        self._turn = asyncio.Lock()

    async def is_good(self, users: Mapping[str, bytes], header: str) -> bool:
        """True if the header `Authorization` names a user and the password."""
        user, password = _credentials(header)
        hashed = users.get(user)
        against = hashed or max(users.values(), key=lambda one: one[4:6])
        key = hashlib.blake2b(b"\0".join((against, user.encode(), password)), key=self._secret)
        if hashed is not None and key.digest() in self._good:
            return True
        async with self._turn:
            is_right = await asyncio.to_thread(_matches, password, against)
        if not is_right or hashed is None:
            return False
        if len(self._good) >= MAX_KNOWN:
            del self._good[next(iter(self._good))]
        self._good[key.digest()] = None
        return True


def _matches(password: bytes, hashed: bytes) -> bool:
    is_right = False
    with suppress(ValueError):  # a password that bcrypt does not take is wrong
        is_right = bcrypt.checkpw(password[:MAX_PASSWORD], hashed)
    return is_right and len(password) <= MAX_PASSWORD


def _credentials(header: str) -> tuple[str, bytes]:
    """Return the user and the password; both are empty where the header cannot be read."""
    scheme, _, word = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        user, _, password = base64.b64decode(word.strip(), validate=True).partition(b":")
        return user.decode(), password
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", b""


class Gate:
    """The application behind its login; `config` is asked for each request."""

    def __init__(
        self, app: ASGIApp, config: Callable[[], WebConfig], is_health_open: Callable[[], bool]
    ) -> None:
        self._app = app
        self._config = config
        self._is_health_open = is_health_open
        self._logins = Logins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config = self._config()
        told = _with_headers(send, config.headers)
        if not config.users or await self._may_pass(config.users, scope):
            await self._app(scope, receive, told)
        else:
            await PlainTextResponse("a login is needed\n", 401, _CHALLENGE)(scope, receive, told)

    async def _may_pass(self, users: Mapping[str, bytes], scope: Scope) -> bool:
        if scope["path"] in HEALTH and self._is_health_open():
            return True
        header = Headers(scope=scope).get("authorization")
        return header is not None and await self._logins.is_good(users, header)


def _with_headers(send: Send, headers: tuple[tuple[str, str], ...]) -> Send:
    if not headers:
        return send

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(dict(headers))
        await send(message)

    return told
