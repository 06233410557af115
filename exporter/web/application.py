"""The pages and answers of the service as an ASGI application. Request bodies are not read."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from exporter.config.web_file import WebConfig
from exporter.metrics.metrics import Metrics
from exporter.service.loop_monitor import LoopMonitor
from exporter.web.gate import Gate
from exporter.web.negotiation import exposition_format, takes_gzip

INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mailcanary</title>
<h1>mailcanary</h1>
<ul>
<li><a href="metrics">metrics</a>: what Prometheus scrapes
<li><a href="-/healthy">healthy</a>: whether the process does its work in time
<li><a href="-/ready">ready</a>: whether it has begun to
</ul>
</html>
"""

_GZIP_LEVEL = 1
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class HttpState:
    """The sources of the answers.

    `not_ready` names, one line each, the conditions that the service still waits for; empty once it
    is ready.
    """

    metrics: Metrics
    loop_monitor: LoopMonitor
    not_ready: Callable[[], Sequence[str]]
    probe: Callable[[Mapping[str, str], str | None], Awaitable[tuple[int, str]]] | None = None
    """Runs one probe: the parameters and Prometheus' timeout to an HTTP status and a text."""
    reload: Callable[[str | None], Awaitable[tuple[int, str]]] | None = None
    """Reloads the configuration: the header `Sec-Fetch-Site` to an HTTP status and a text."""
    web_config: Callable[[], WebConfig] = WebConfig
    is_health_open: Callable[[], bool] = lambda: True
    """Whether `/-/healthy` and `/-/ready` are answered without a login."""


def create_app(state: HttpState) -> ASGIApp:
    """The application behind its gate; serve it with `exporter.web.server.serve`."""
    return Gate(_pages(state), state.web_config, state.is_health_open)


def _pages(state: HttpState) -> Starlette:
    turn = asyncio.Lock()

    async def metrics(request: Request) -> Response:
        return _exposition(state.metrics, request, turn)

    async def healthy(request: Request) -> Response:  # noqa: ARG001
        problem = state.loop_monitor.problem()
        return _verdict([problem] if problem else [], good="healthy")

    async def ready(request: Request) -> Response:  # noqa: ARG001
        return _verdict(state.not_ready(), good="ready")

    async def probe(request: Request) -> Response:
        if state.probe is None:
            return PlainTextResponse("nothing is probed here\n", 404)
        timeout = request.headers.get("x-prometheus-scrape-timeout-seconds")
        status, text = await state.probe(request.query_params, timeout)
        return PlainTextResponse(text, status, {"Cache-Control": "no-store"})

    async def reload(request: Request) -> Response:
        if state.reload is None:
            return PlainTextResponse("nothing is reloaded here\n", 404)
        status, text = await state.reload(request.headers.get("sec-fetch-site"))
        return PlainTextResponse(text, status, {"Cache-Control": "no-store"})

    async def index(request: Request) -> Response:  # noqa: ARG001
        return HTMLResponse(INDEX)

    app = Starlette(
        routes=[
            Route("/", index),
            Route("/metrics", metrics),
            Route("/probe", probe, methods=["GET"]),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            Route("/-/reload", reload, methods=["POST", "PUT"]),
        ]
    )
    # A redirect would be made from the Host header, which is anybody's word.
    app.router.redirect_slashes = False
    return app


def _verdict(problems: Sequence[str], *, good: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if problems:
        return PlainTextResponse("\n".join(problems) + "\n", 503, headers)
    return PlainTextResponse(f"{good}\n", headers=headers)


def _exposition(metrics: Metrics, request: Request, turn: asyncio.Lock) -> Response:
    fmt = exposition_format(request.headers.get("accept", ""))
    gzip = takes_gzip(request.headers.get("accept-encoding", ""))
    headers = {"Content-Type": fmt.value, "Vary": "Accept, Accept-Encoding"}
    if gzip:
        headers["Content-Encoding"] = "gzip"
    if request.method == "HEAD":
        return Response(headers=headers)
    chunks = metrics.chunks(fmt)
    pieces = _yielding(_gzipped(chunks) if gzip else chunks, turn)
    return StreamingResponse(pieces, headers=headers)


async def _yielding(chunks: Iterator[bytes], turn: asyncio.Lock) -> AsyncIterator[bytes]:
    """Make one chunk in each turn of the loop, however many clients read and however fast.

    A hundred clients that scrape at the same time would else hold up the loop a hundred times as
    long as one does. The lock goes to them one after the other.
    """
    chunk: bytes | None = b""
    while chunk is not None:
        async with turn:
            chunk = next(chunks, None)
            await asyncio.sleep(0)
        if chunk:
            yield chunk


def _gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A quarter of a millisecond a chunk: handing it to a thread and back costs the loop more.

    A chunk is empty while zlib gathers input, so that the loop gets its turn all the same.
    """
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()
