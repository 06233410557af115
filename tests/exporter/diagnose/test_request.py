"""The request is read before anything heavy is loaded, so that the first line comes at once."""

import json
import sys

from exporter.diagnose.areas import AREAS
from exporter.diagnose.request import AREA_NAMES
from tests.support.processes import completed


def test_reading_a_request_loads_no_probe_and_no_client_library() -> None:
    code = "import json, sys, exporter.diagnose.request; print(json.dumps(list(sys.modules)))"
    done = completed(sys.executable, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = set(json.loads(done.stdout))
    assert "probes.records.address" in loaded
    heavy = {"asyncio", "dns", "cryptography", "rich", "sqlalchemy", "probes.registry"}
    assert loaded & heavy == set()


def test_the_names_of_the_areas_are_those_of_the_registry() -> None:
    assert tuple(area.name for area in AREAS) == AREA_NAMES
