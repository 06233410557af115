"""A machine or a unit without IPv6: an address of that family is out of reach, and no more."""

import json
import sys

import pytest

from tests.support.processes import completed
from tests.support.without_ipv6 import is_possible


@pytest.mark.skipif(not is_possible(), reason="no seccomp filter is known for this machine")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_without_ipv6_every_kind_goes_on_with_the_other_family(loop: str) -> None:
    child = "tests.support.ipv6_off_child"
    ran = completed(sys.executable, "-m", "tests.support.without_ipv6", child, loop)
    assert ran.stderr == ""
    told = {said["kind"]: said for said in map(json.loads, ran.stdout.splitlines())}
    assert all(said["ok"] for said in told.values()), told
    assert set(told) == {"mx", "nameservers", "submission", "resolver"}
    assert "mx.address_unusable untestable" in told["mx"]["findings"]
    assert "nameservers.unreachable untestable" in told["nameservers"]["findings"]
