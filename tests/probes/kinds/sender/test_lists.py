"""Lists of domains: asked about what our mail shows, believed only when they are in order."""

from dataclasses import replace

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from probes.documents import to_json
from probes.kinds.sender.probe import MAX_LISTS, SenderTarget
from probes.options import Domain, EmailAddress, Host, Secret
from probes.result import Reason, Status
from tests.probes.kinds.sender.test_sender import GOOD, KEY, LIST, TARGET, World, all_findings, told

IN_ORDER = "test A 127.0.1.2"
LISTED = f'{IN_ORDER}\nexample.test A 127.0.1.4\nexample.test TXT "see https://dbl.test/why"'
ASKING = replace(TARGET, block_lists=(), domain_block_lists=(Domain("dbl.test"),))
HIT = {"rhsbl.listed": Status.FAILURE}
SICK = {"rhsbl.list_unhealthy": Status.UNTESTABLE}


async def test_nothing_is_asked_about_domains_unless_somebody_wants_it() -> None:
    assert SenderTarget(Domain("example.test")).domain_block_lists == ()


@pytest.mark.parametrize(
    ("zone", "codes", "reason"),
    [
        (IN_ORDER, {}, None),
        (LISTED, HIT, Reason.LISTED),
        # A list of both kinds that knows the test entry of addresses only.
        ("2.0.0.127 A 127.0.0.2\nexample.test A 127.0.0.2", HIT, Reason.LISTED),
        ("", SICK, None),
        ("example.test A 127.0.1.2", SICK, None),
        (f"{LISTED}\ninvalid A 127.0.1.2", SICK, None),
        ("test A 127.255.255.254\nexample.test A 127.0.1.2", SICK, None),
        ("test A 127.0.0.1\nexample.test A 127.0.0.1", SICK, None),
        (f"{IN_ORDER}\nexample.test A 127.0.1.255", SICK, None),
        (f"{IN_ORDER}\nexample.test A 127.0.0.1", SICK, None),
        (f"{IN_ORDER}\nexample.test A 203.0.113.1", SICK, None),
    ],
)
async def test_a_listing_counts_only_on_a_list_in_order(
    zone: str, codes: dict[str, Status], reason: Reason | None
) -> None:
    result = await World(lists={"dbl.test": zone}).run(ASKING)
    assert told(result) == codes
    assert (result.failure and result.failure.reason) is reason


async def test_a_listing_names_the_domain_the_list_and_its_reason() -> None:
    result = await World(lists={"dbl.test": LISTED}).run(ASKING)
    (finding,) = (one for one in all_findings(result) if one.code in told(result))
    assert str(finding.subject) == "example.test at dbl.test"
    assert finding.evidence == "dbl.test says 127.0.1.4: see https://dbl.test/why"


async def test_every_domain_that_our_mail_shows_is_asked_for_once() -> None:
    shown = ("example.test", "bounces.test", "sign.test", "mail.example.test")
    entries = "\n".join(f"{name} A 127.0.1.2" for name in shown)
    target = replace(
        ASKING,
        mail_from=EmailAddress("b@bounces.test"),
        dkim_domain=Domain("sign.test"),
    )
    result = await World(lists={"dbl.test": f"{IN_ORDER}\n{entries}"}).run(target)
    subjects = [str(one.subject) for one in all_findings(result) if one.code == "rhsbl.listed"]
    assert sorted(subjects) == sorted(f"{name} at dbl.test" for name in shown)


async def test_an_address_literal_is_no_domain_to_ask_for() -> None:
    zone = f"{IN_ORDER}\n[192.0.2.25] A 127.0.1.2"
    target = replace(ASKING, ehlo_name=Host("[192.0.2.25]"))
    assert "rhsbl.listed" not in told(await World(lists={"dbl.test": zone}).run(target))


async def test_without_sending_addresses_domains_are_asked_for_all_the_same() -> None:
    result = await World(lists={"dbl.test": LISTED}).run(replace(ASKING, sending_ips=()))
    assert told(result) == HIT


@pytest.mark.parametrize("misbehaviour", [None, Misbehaviour.SERVFAIL, Misbehaviour.SILENCE])
async def test_the_key_of_a_list_of_domains_is_never_told(
    misbehaviour: Misbehaviour | None,
) -> None:
    zone = f'{IN_ORDER}\nexample.test A 127.0.1.2\nexample.test TXT "{KEY}: listed"'
    name = f"example.test.{KEY.lower()}.dq.test"
    faults = {} if misbehaviour is None else {(name, "*"): DnsFault(misbehaviour)}
    keyed = (Secret(f"{KEY}.dq.test."),)
    target = replace(ASKING, domain_block_lists=(), keyed_domain_block_lists=keyed)
    result = await World(lists={f"{KEY}.dq.test": zone}, faults=faults).run(target)
    assert told(result) == (HIT if misbehaviour is None else SICK)
    assert KEY.lower() not in str(to_json(result)).lower()


async def test_lists_of_both_kinds_share_one_bound() -> None:
    lists = {f"l{number}.test": LIST for number in range(MAX_LISTS - 1)}
    target = replace(
        ASKING,
        block_lists=tuple(Domain(name) for name in lists),
        domain_block_lists=(Domain("dbl.test"), Domain("more.test")),
    )
    result = await World(GOOD, lists={**lists, "dbl.test": IN_ORDER}).run(target)
    assert told(result) == {"sender.left_out": Status.INFO}
    (finding,) = (one for one in all_findings(result) if one.code in told(result))
    assert finding.evidence == "not probed: more.test"
