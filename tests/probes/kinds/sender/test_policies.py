"""Kind `sender` and the policies a policy leads to, without a sending address to evaluate for."""

from dataclasses import replace

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from probes.kinds.sender.spf import FLAWS, TROUBLES
from probes.records.spf.cost import Trouble
from probes.records.spf.lint import Flaw
from probes.result import Status
from tests.probes.kinds.sender.test_sender import DMARC, NAMES, TARGET, World, all_findings, told

NOBODY = replace(TARGET, sending_ips=())
MX11 = "\n".join(f"many MX 10 h{number}\nh{number} A 192.0.2.7" for number in range(11))
V4 = "\n".join(f"v{number} A 192.0.2.7" for number in range(3))


async def about(
    zone: str, faults: dict[tuple[str, str], DnsFault] | None = None
) -> dict[str, Status]:
    world = World(f"{zone}\n{DMARC}\n{NAMES}", faults=faults or {})
    return {k: v for k, v in told(await world.run(NOBODY)).items() if k.startswith("spf.")}


CASES: list[tuple[str, dict[str, Status]]] = [
    ('@ TXT "v=spf1 include:nope.example.test -all"', {"spf.include_missing": Status.FAILURE}),
    ('@ TXT "v=spf1 redirect=nope.example.test"', {"spf.include_missing": Status.FAILURE}),
    ('@ TXT "v=spf1 include:mail.example.test -all"', {"spf.include_missing": Status.FAILURE}),
    (
        '@ TXT "v=spf1 include:b.example.test -all"\nb TXT "v=spf1 ip4:nonsense -all"',
        {"spf.include_broken": Status.FAILURE},
    ),
    (
        '@ TXT "v=spf1 include:b.example.test -all"\nb TXT "v=spf1 -all"\nb TXT "v=spf1 ~all"',
        {"spf.include_broken": Status.FAILURE},
    ),
    (
        '@ TXT "v=spf1 include:b.example.test -all"\nb TXT "v=spf1 include:nope.example.test -all"',
        {"spf.include_missing": Status.FAILURE},
    ),
    (
        '@ TXT "v=spf1 include:b.example.test -all"\nb TXT "v=spf1 redirect=c.example.test"\n'
        'c TXT "v=spf1 +all"',
        {"spf.include_permissive": Status.FAILURE},
    ),
    ('@ TXT "v=spf1 ?include:c.example.test -all"\nc TXT "v=spf1 +all"', {}),
    (
        '@ TXT "v=spf1 a:x.example.test mx:mail.example.test -all"',
        {"spf.term_void": Status.NOTICE},
    ),
    (
        '@ TXT "v=spf1 a:x.example.test mx:y.example.test exists:z.example.test -all"',
        {"spf.term_void": Status.NOTICE, "spf.voids_too_many": Status.WARNING},
    ),
    (
        '@ TXT "v=spf1 a:v0.example.test a:v1.example.test a:v2.example.test -all"\n' + V4,
        {"spf.voids_too_many": Status.NOTICE},
    ),
    (
        '@ TXT "v=spf1 mx:hollow.example.test -all"\nhollow MX 10 x',
        {"spf.term_void": Status.NOTICE},
    ),
    (
        '@ TXT "v=spf1 mx:many.example.test -all"\n' + MX11,
        {"spf.mx_too_many": Status.FAILURE},
    ),
    ('@ TXT "v=spf1 a:mail.example.test exists:%{i}.example.test include:%{d}.x.test -all"', {}),
]


@pytest.mark.parametrize(("zone", "codes"), CASES)
async def test_what_a_policy_leads_to_is_read_without_a_sending_address(
    zone: str, codes: dict[str, Status]
) -> None:
    assert await about(zone) == codes


@pytest.mark.parametrize(
    ("name", "misbehaviour", "status"),
    [
        ("b.example.test", Misbehaviour.SERVFAIL, Status.WARNING),
        ("b.example.test", Misbehaviour.REFUSED, Status.UNTESTABLE),
        ("x.example.test", Misbehaviour.SERVFAIL, Status.WARNING),
    ],
)
async def test_a_policy_or_a_name_that_cannot_be_looked_up_is_neither_there_nor_missing(
    name: str, misbehaviour: Misbehaviour, status: Status
) -> None:
    zone = '@ TXT "v=spf1 include:b.example.test a:x.example.test -all"\nb TXT "v=spf1 -all"'
    faults = {(name, "*"): DnsFault(misbehaviour)}
    assert (await about(zone + "\nx A 192.0.2.7", faults))["spf.lookup_failed"] is status


async def test_the_finding_names_the_domain_to_repair_and_the_term_that_leads_there() -> None:
    zone = '@ TXT "v=spf1 include:b.example.test -all"\nb TXT "v=spf1 include:nope.test -all"'
    result = await World(f"{zone}\n{DMARC}").run(NOBODY)
    (finding,) = (one for one in all_findings(result) if one.code == "spf.include_missing")
    assert str(finding.subject) == "nope.test"
    assert "b.example.test: include:nope.test" in finding.evidence


async def test_a_policy_of_four_hundred_names_costs_the_run_no_other_part() -> None:
    terms = " ".join(f'"mx:h{number}.example.test "' for number in range(400))
    result = await World(f'@ TXT "v=spf1 " {terms} "-all"\n{DMARC}').run(NOBODY)
    assert result.ok
    assert "spf.cost_too_high" in told(result)
    assert sum(one.code == "spf.term_void" for one in all_findings(result)) <= 20


def test_every_flaw_and_every_trouble_of_a_policy_has_its_entry() -> None:
    assert {flaw: entry.code for flaw, (entry, _) in FLAWS.items()} == {
        flaw: f"spf.{flaw}" for flaw in Flaw
    }
    assert {trouble: entry.code for trouble, (entry, _) in TROUBLES.items()} == {
        trouble: f"spf.{trouble}" for trouble in Trouble
    }
