"""Which event loops a test module runs under: see the network layer's."""

from tests.probes.net.conftest import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
