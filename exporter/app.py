"""The service: everything wired together, started in order and stopped without losing anything."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from exporter.config import ConfigError
from exporter.config.web_file import WebConfig
from exporter.ledger.ledger import Ledger
from exporter.model import Config
from exporter.service.descriptors import raise_descriptor_limit
from exporter.service.service import LOG, ReloadProblem, Service
from exporter.service.service_manager import ServiceManager
from exporter.service.supervision import log_error
from exporter.web.application import HttpState
from exporter.web.probe import Prober
from exporter.web.reloading import Reloader
from exporter.web.server import serve
from exporter.web.web_settings import WebSettings
from probes.clock import SYSTEM_CLOCK
from probes.tasks import cancel

THREAD_TURN = 0.0005
"""Seconds for which a thread may keep the interpreter while the event loop waits for it."""

COLLECT_AFTER = (10_000, 10, 10)
"""Objects after which the youngest are looked through for garbage, a run leaving some hundred."""


async def run_service(
    config: Config,
    log_lines_dropped: Callable[[], int],
    web: WebSettings | None = None,
    *,
    enable_lifecycle: bool = False,
) -> None:
    """Run the service until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    With `enable_lifecycle` so does a request, whatever the file says.

    Raises LedgerError when the ledger cannot be opened and OSError when the port is taken.
    """
    stop, web = asyncio.Event(), web or WebSettings()
    manager = ServiceManager()
    raise_descriptor_limit()
    async with AsyncExitStack() as stack:
        ledger = await Ledger.open(
            config.service.ledger, SYSTEM_CLOCK, group=config.service.ledger_group
        )
        stack.push_async_callback(ledger.close)
        service = Service(config, ledger, log_lines_dropped=log_lines_dropped)
        reloads: set[asyncio.Task[ReloadProblem | None]] = set()

        async def reload() -> ReloadProblem | None:
            manager.reloading()
            try:
                return await reload_both(service, web)
            finally:
                manager.ready()

        def begin_reload() -> None:
            task = asyncio.create_task(reload(), name="reload")
            reloads.add(task)
            task.add_done_callback(reloads.discard)
            task.add_done_callback(log_error)

        def end() -> None:
            manager.stopping()
            stop.set()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, end)
        loop.add_signal_handler(signal.SIGINT, end)
        loop.add_signal_handler(signal.SIGHUP, begin_reload)
        address, port = config.service.listen_address, config.service.listen_port
        pages = serving(service, address, port, reload, web, enable_lifecycle=enable_lifecycle)
        await stack.enter_async_context(pages)
        set_apart()
        stack.push_async_callback(lambda: cancel(reloads))
        alive = asyncio.create_task(manager.keep_alive(), name="watchdog")
        stack.push_async_callback(lambda: cancel([alive]))
        manager.ready()
        await service.run(stop)
        LOG.info("stopped; what is in flight is in the ledger")


async def reload_both(service: Service, web: WebSettings) -> ReloadProblem | None:
    """Read the configuration and the web configuration again; a mistake in one changes neither."""
    try:
        fresh: WebConfig = await asyncio.to_thread(web.read)
    except ConfigError as error:
        LOG.error("configuration not reloaded:\n%s", error)
        service.publisher.config_reloaded(ok=False)
        return ReloadProblem(f"configuration not reloaded:\n{error}", is_in_file=True)
    problem = await service.reload()
    if problem is None:
        web.adopt(fresh)
    return problem


def set_apart() -> None:
    """Keep what would hold up the event loop, and with it every measurement under way, short.

    The garbage collector would go through all that is there now, which is there to stay, every few
    thousand runs, for tens of milliseconds. And the threads that write the ledger and examine
    copies would keep the interpreter for 5 ms each time, Python's own measure.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(THREAD_TURN)


@asynccontextmanager
async def serving(
    service: Service,
    address: str,
    port: int,
    reload: Callable[[], Awaitable[ReloadProblem | None]] | None = None,
    web: WebSettings | None = None,
    *,
    enable_lifecycle: bool = False,
) -> AsyncIterator[str]:
    """A started service with its pages; yields the address of the pages.

    `reload` is what a request to reload calls, where it is more than the service's own.
    """
    settings = web or WebSettings()
    monitor = service.loop_monitor
    prober = Prober(lambda: service.config, service.net, service.starter.with_known_selectors)
    reloader = Reloader(
        lambda: service.config, reload or service.reload, is_enabled=enable_lifecycle
    )
    state = HttpState(
        *(service.metrics, monitor, service.not_ready, prober.answer, reloader.answer),
        web_config=lambda: settings.config,
        is_health_open=lambda: service.config.service.health_without_login,
    )
    tls = settings.context
    pages = serve(state, address, port, tls=tls, supervisor=service.supervisor)
    async with monitor, service.run_buffer, pages as bound:
        scheme = "http" if tls is None else "https"
        url = f"{scheme}://{f'[{address}]' if ':' in address else address}:{bound}"
        outside = service.config.service.external_url
        LOG.info("serving %s/metrics%s", url, f", for others {outside}/" if outside else "")
        try:
            await service.start()
            yield url
        finally:
            await service.arrivals.close()
