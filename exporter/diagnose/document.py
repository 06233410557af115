"""A diagnosis as JSON."""

from exporter.diagnose.comparison import compared
from exporter.diagnose.diagnosis import Diagnosis
from exporter.diagnose.problems import problems
from exporter.diagnose.verdicts import area_code, exit_code, verdict
from probes.documents import to_json
from probes.net import Net

VERSION = 1


def document(diagnosis: Diagnosis, net: Net) -> dict[str, object]:
    """The whole tree as JSON types, see docs/json.md."""
    request = diagnosis.request
    return {
        "version": VERSION,
        "domain": request.domain,
        "address": request.address,
        "started_at": diagnosis.started_at.isoformat(),
        "seconds": diagnosis.seconds,
        "interrupted": diagnosis.is_interrupted,
        "exit_code": int(exit_code(diagnosis)),
        "ehlo_name": net.ehlo_name,
        "resolvers": [f"{address} port {port}" for address, port in net.resolver.servers],
        "areas": [
            {
                "area": one.area.name,
                "title": one.area.title,
                "verdict": verdict(one, request.domain),
                "exit_code": int(area_code(one)),
                "result": to_json(one.result),
            }
            for one in diagnosis.areas
        ],
        "problems": to_json(problems(diagnosis, net)),
        "since_good": to_json(compared(diagnosis)),
    }
