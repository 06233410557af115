"""Kinds of probes inside the chain: `python -m tests.integration.chain.kinds ROOT`.

Questions as a JSON object, name -> `Question`, on standard input; their results, name by name, as
one on standard output. All of them are asked at the same time.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from probes.clock import SYSTEM_CLOCK
from probes.documents import to_json
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.options import Secret
from probes.registry.rows import KINDS
from probes.result import ProbeResult
from probes.run import run_once
from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.integration.chain.layout import Layout
from tests.integration.chain.resolvers import CURT, GULLIBLE, unbound

WITHIN = 20
RESOLVERS = {
    "": layout.RESOLVER,
    "curt": ("127.0.0.1", 5355),
    "gullible": ("127.0.0.1", 5356),
    "dead": ("127.0.0.1", 5357),
}
"""The chain's own, and what `resolvers` has beside it; nobody listens at the last one."""


@dataclass(frozen=True, slots=True)
class Question:
    """A run of a kind with `options`, by way of one of RESOLVERS.

    One that is `patient` is asked until no server greylists it, and both its first and its last
    result are told.
    """

    kind: str
    options: Mapping[str, Any]
    resolver: str = ""
    is_patient: bool = False


def ask_all(chain: Chain, questions: Mapping[str, Question]) -> Any:
    """The results of every question, a list of one or (of a patient one) two."""
    command = [sys.executable, "-m", "tests.integration.chain.kinds", str(chain.place.root)]
    text = json.dumps({name: asdict(question) for name, question in questions.items()})
    return json.loads(chain.run(command, text=text, within=2 * WITHIN).stdout)


def findings(result: Any) -> list[Any]:
    """Those of a result and its parts, but that questions had to wait for each other."""
    everywhere = (*result["findings"], *(f for part in result["parts"] for f in part["findings"]))
    return [finding for finding in everywhere if finding["code"] != "monitor.waited"]


def codes(result: Any) -> list[str]:
    """Of its findings, each as often as there is one."""
    return sorted(finding["code"] for finding in findings(result))


def defects(result: Any) -> list[str]:
    """The same without what is no more than worth knowing."""
    return sorted(one["code"] for one in findings(result) if one["status"] != "info")


def part_of(result: Any, host: str) -> Any:
    """Its only part for that host."""
    (part,) = (part for part in result["parts"] if part["host"] == host)
    return part


async def run_kind(net: Net, kind: str, options: Mapping[str, Any]) -> ProbeResult:
    """One run, as the service makes it."""
    target = KINDS[kind].target(**options)
    return await run_once(
        kind,
        lambda trace: KINDS[kind].probe(net, target, trace),
        clock=SYSTEM_CLOCK,
        deadline=WITHIN,
    )


async def _answers(net: Net, question: Question) -> list[Any]:
    net = replace(net, resolver=Resolver((RESOLVERS[question.resolver],)))
    options = {name: _typed(name, value) for name, value in question.options.items()}
    first = last = await run_kind(net, question.kind, options)
    if not question.is_patient:
        return [to_json(first)]
    async with asyncio.timeout(WITHIN):
        while _is_greylisted(last):
            await asyncio.sleep(0.5)
            last = await run_kind(net, question.kind, options)
    return [to_json(first), to_json(last)]


def _typed(name: str, value: Any) -> Any:
    if name == "password":
        return Secret(value)
    return tuple(value) if isinstance(value, list) else value


def _is_greylisted(result: ProbeResult) -> bool:
    found = (finding for part in result.parts for finding in part.findings)
    return any(finding.code == "smtp.greylisted" for finding in found)


async def main(root: str) -> None:
    """The command line of this file."""
    place = Layout(Path(root))
    questions = {name: Question(**one) for name, one in json.load(sys.stdin).items()}
    trust = TrustStore(str(place.ca_file))
    dialer = Dialer(source_v4=layout.CANARY)
    net = Net(Resolver((layout.RESOLVER,)), dialer, trust, SYSTEM_CLOCK, layout.CANARY_HOST)
    async with AsyncExitStack() as stack:
        for name, changes in (("curt", CURT), ("gullible", GULLIBLE)):
            await stack.enter_async_context(unbound(place, RESOLVERS[name], changes))
        answers = await asyncio.gather(*(_answers(net, one) for one in questions.values()))
    print(json.dumps(dict(zip(questions, answers, strict=True))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
