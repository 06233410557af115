"""One running chain for all tests that use it, in whatever file."""

from collections.abc import Iterator

import pytest

from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.servers.real import require, require_root_and_namespaces


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the chain is marked as a test that needs its packages."""
    for item in items:
        if "chain" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real(*layout.PACKAGES))


@pytest.fixture(scope="package")
def chain() -> Iterator[Chain]:
    """The real chain, started once for this folder. Tests leave it as they found it, mail apart."""
    require_root_and_namespaces()
    require(*layout.PACKAGES)
    with Chain.start() as running:
        yield running
