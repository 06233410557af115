"""Finding the operating system's own servers, which some tests want as peers.

A test that needs one says so with `require(...)` or the decorator `needs(...)`. Where the server is
missing the test is skipped with a reason that names the Debian package; with CI=true in the
environment it fails instead, so that a build never looks greener than it is.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.places import ROOT

SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""Debian keeps daemons in directories that are not on an ordinary user's PATH."""

UNPACKED = ROOT / ".cache" / "debian"
"""Where `./run test` unpacks a package that cannot be installed beside the others."""

SKIP_PREFIX = "real server missing: "
"""How every such skip reason begins; the closing summary collects by it."""


def _read_packages(*lists: str) -> Mapping[str, str]:
    texts = [(Path(__file__).parent / name).read_text("ascii") for name in lists]
    lines = [line for text in texts for line in text.splitlines()]
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {row[0]: row[1] for row in rows}


PACKAGES = _read_packages("debian-packages.txt", "wheels.txt")
"""Debian package -> a program name or a path that exists when it is there: an absolute one, or
one of this checkout for what is only unpacked. The parts that `./run test` takes out of wheels
stand beside them."""


def program(name: str) -> str:
    """The absolute path of an installed program; call after `require`."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise FileNotFoundError(f"{name} is in none of {SEARCH_PATH}")
    return found


def missing(*packages: str) -> tuple[str, ...]:
    """Those of `packages` (keys of PACKAGES) whose proof is not on this machine."""
    return tuple(name for name in packages if not _is_there(PACKAGES[name]))


def require(*packages: str) -> None:
    """Skip the calling test, or fail it with CI=true, unless all `packages` are installed."""
    absent = missing(*packages)
    if absent:
        refuse(SKIP_PREFIX + "install " + " ".join(absent))


def require_root_and_namespaces() -> None:
    """The same for what a rig in its own namespaces needs: root, unshare and nsenter."""
    if os.geteuid() != 0:
        refuse(SKIP_PREFIX + "namespaces and daemons need root")
    absent = [name for name in ("unshare", "nsenter") if not shutil.which(name, path=SEARCH_PATH)]
    if absent:
        refuse(SKIP_PREFIX + "install util-linux for " + " and ".join(absent))


def refuse(reason: str) -> None:
    """Skip, or fail with CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def needs(*packages: str) -> pytest.MarkDecorator:
    """`@needs("postfix")`: mark a test as `real` and hold it to `require` before it runs."""
    return pytest.mark.real(*packages)


def _is_there(proof: str) -> bool:
    if proof.startswith(".cache/"):
        return (ROOT / proof).exists()
    if proof.startswith("/"):
        return Path(proof).exists()
    return shutil.which(proof, path=SEARCH_PATH) is not None
