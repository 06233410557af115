"""A domain to be diagnosed against scripted servers, for what is made of what was found."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.diagnose.diagnosis import Diagnosis, diagnose
from exporter.diagnose.problems import Problem, problems
from exporter.diagnose.request import Typed, read_request
from exporter.testbed.servers.dns_server import Faults
from exporter.testbed.servers.https import page
from exporter.testbed.servers.script import Close, Say, Steps
from exporter.testbed.servers.smtp import Script
from probes.net import Net
from tests.servers.certificates import Authority
from tests.support.policy_world import PATH, POLICY, policy_world


@dataclass(frozen=True)
class World:
    """A domain, what is typed about it, and the findings that are to be advised on."""

    zone: str
    codes: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    """What the SMTP server at an address does, by the names of `_script`."""
    page: bytes | None = None


def _script(what: str, authority: Authority) -> Script:
    good = authority.context("mx.example.test", "mx2.example.test")
    scripts = {
        "good": Script(tls=good),
        "expired": Script(tls=authority.expired("mx.example.test")),
        "other name": Script(tls=authority.context("elsewhere.test")),
        "clear": Script(),
        "refuses": Script(on={"connect": (Say("554 5.7.1 listed"), Close())}),
        "no mail": Script(on={"connect": (Say("521 no mail"), Close())}),
        "busy": Script(on={"connect": (Say("421 too many connections"), Close())}),
        "closing": Script(on={"connect": (Say("421 later"), Close())}),
        "no rcpt": Script(tls=good, on={"RCPT": (Say("550 5.1.1 nobody"),)}),
    }
    return scripts[what]


async def told(
    world: World, authority: Authority, only: str = "mx,policy,sender"
) -> tuple[Diagnosis, Net, tuple[Problem, ...]]:
    options = {"target": "example.test", "source_address": "127.0.0.1", **world.options}
    lists = {name: options.pop(name, ()) for name in ("block_lists", "domain_block_lists")}
    asked = read_request(Typed(only=only, resolver=("127.0.0.1",), **options))
    asked = replace(asked, options={**asked.options, **lists})
    pages: dict[str, Steps] = {}
    context: ssl.SSLContext | None = None
    if world.page is not None:
        pages, context = {PATH: page(world.page)}, authority.context(POLICY)
    zones = {"test": "", "arpa": "", **world.zones}
    hosts = {at: _script(what, authority) for at, what in world.servers.items()}
    async with policy_world(
        *(world.zone,),
        trust=authority.trust,
        hosts=hosts,
        pages=pages,
        policy_context=context,
        faults=world.faults,
        zones=zones,
    ) as net:
        diagnosis = await diagnose(net, asked, lambda _area, _step: None, asyncio.Event())
        return diagnosis, net, problems(diagnosis, net)


def only(found: tuple[Problem, ...], code: str) -> Problem:
    (problem,) = (problem for problem in found if problem.code == code)
    return problem
