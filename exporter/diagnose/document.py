"""A diagnosis as JSON."""

from collections.abc import Mapping, Sequence

from exporter.diagnose.comparison import compared
from exporter.diagnose.diagnosis import Diagnosis
from exporter.diagnose.headline import headline
from exporter.diagnose.problems import problems
from exporter.diagnose.verdicts import area_code, exit_code, not_tested, verdict
from probes.documents import to_json
from probes.net import Net

VERSION = 1


def document(diagnosis: Diagnosis, net: Net) -> dict[str, object]:
    """The whole tree as JSON types, see docs/json.md."""
    request, found = diagnosis.request, problems(diagnosis, net)
    return {
        "version": VERSION,
        "domain": request.domain,
        "address": request.address,
        "started_at": diagnosis.started_at.isoformat(),
        "seconds": diagnosis.seconds,
        "interrupted": diagnosis.is_interrupted,
        "exit_code": int(exit_code(diagnosis)),
        "verdict": str(headline(diagnosis, found)),
        "ehlo_name": net.ehlo_name,
        "resolvers": [f"{address} port {port}" for address, port in net.resolver.servers],
        "areas": [
            {
                "area": one.area.name,
                "title": one.area.title,
                "verdict": verdict(one, request.domain, request.subject),
                "tested": not_tested(one) is None,
                "exit_code": int(area_code(one)),
                "result": to_json(one.result),
            }
            for one in diagnosis.areas
        ],
        "problems": to_json(found),
        "since_good": to_json(compared(diagnosis)),
        "transcript": to_json(diagnosis.transcript),
    }


def several(documents: Sequence[Mapping[str, object]], code: int) -> dict[str, object]:
    """Return the documents of one call for several domains as one."""
    return {"version": VERSION, "exit_code": int(code), "diagnoses": list(documents)}
