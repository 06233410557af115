"""The authority of all liars, and the loops on which lies are told."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.servers.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """asyncio's own and the service's: connections end and TLS fails differently on them."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
