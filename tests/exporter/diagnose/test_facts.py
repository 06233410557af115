"""What a diagnosis shows of what it saw, whether or not anything is wrong with it."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from exporter.diagnose.facts import MAX_ROWS, seen
from exporter.diagnose.report import report_of
from exporter.terminal.diagnosis import report
from exporter.testbed.servers.https import sts_policy
from tests.servers.certificates import Authority
from tests.support.advice_rig import World, told
from tests.support.policy_world import STS_RECORD

IP = "192.0.2.25"
WORLD = World(
    "@ MX 10 mx\n@ MX 20 mx2\nmx A 192.0.2.1\nmx2 A 192.0.2.2\nmta-sts A 192.0.2.8\n"
    f'{STS_RECORD}_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@example.test"\n'
    f'@ TXT "v=spf1 include:other.test -all"\n_dmarc TXT "v=DMARC1; p=reject"\n'
    's1._domainkey TXT "v=DKIM1; p="\n',
    options={"sending_ip": (IP,), "helo": "mail.example.test", "selector": ("s1",)},
    zones={
        "other.test": f'@ TXT "v=spf1 ip4:{IP} -all"',
        "2.0.192.in-addr.arpa": "25 PTR mail.example.test.",
    },
    servers={"192.0.2.1": "good", "192.0.2.2": "clear"},
    page=sts_policy(mx=("mx.example.test", "mx2.example.test")),
)


async def test_every_area_shows_what_it_saw(authority: Authority) -> None:
    diagnosis, *_ = await told(WORLD, authority)
    areas = {title: [(row.what, row.told) for row in rows] for title, rows in seen(diagnosis)}
    mx = areas["Receiving mail"]
    assert mx[0] == ("MX", "10 mx.example.test, 20 mx2.example.test (signed)")
    good = [text for what, text in mx if what == "mx.example.test [192.0.2.1]"]
    assert good[0].startswith("TLSv1.3, TLS_")
    assert "certificate of CN=an authority for tests" in good[0]
    assert " days left, chain of 1, trusted" in good[0]
    assert good[1].startswith("peer.test: ")
    assert "SIZE 1000000" in good[1]
    assert ("mx2.example.test [192.0.2.2]", "in clear, no STARTTLS") in mx
    policy = dict(areas["Transport security"])
    assert policy["DNSSEC"] == "MX records secure, our resolver validates"
    assert policy["MTA-STS"] == (
        "id 20261123, mode enforce, max_age 2000000 (23 days), mx mx.example.test, mx2.example.test"
    )
    assert policy["TLS-RPT"] == "mailto:t@example.test"
    assert policy["mx.example.test [192.0.2.1]"] == "DANE absent, TLSA secure"
    sender = dict(areas["Sending mail"])
    record = "v=spf1 include:other.test -all"
    assert sender["example.test"] == f"SPF {record} (at worst 1 of 10 look-ups)"
    assert sender[f"example.test [{IP}]"] == "SPF pass by include:other.test, 1 look-up, 0 void"
    assert sender["_dmarc.example.test"] == "DMARC reject by v=DMARC1; p=reject"
    assert sender["s1._domainkey.example.test"] == "DKIM key rsa"
    assert sender[f"25.2.0.192.in-addr.arpa [{IP}]"] == "name mail.example.test, 0 confirmed"


async def test_a_list_says_listed_or_not_only_where_it_is_in_order(authority: Authority) -> None:
    in_order = "2.0.0.127 A 127.0.0.2"
    lists = {
        "bl.spamcop.net": in_order,
        "psbl.surriel.com": f"{in_order}\n25.2.0.192 A 127.0.0.2",
        "zen.spamhaus.org": "2.0.0.127 A 127.255.255.254",
    }
    zones, options = {**WORLD.zones, **lists}, {**WORLD.options, "block_lists": tuple(lists)}
    world = replace(WORLD, zones=zones, options=options)
    diagnosis, *_ = await told(world, authority, "sender")
    ((_, rows),) = seen(diagnosis)
    said = {row.what: row.told for row in rows}
    assert said["bl.spamcop.net"] == "not listed"
    assert said["psbl.surriel.com"] == f"listed: {IP}"
    assert said["zen.spamhaus.org"].startswith("says nothing: 127.0.0.2: 127.255.255.254")


async def test_answers_about_recipients_are_shown_good_or_bad(authority: Authority) -> None:
    options = {"target": "joe@example.test", "rcpt": True}
    world = replace(WORLD, options=options, servers={"192.0.2.1": "good", "192.0.2.2": "no rcpt"})
    diagnosis, *_ = await told(world, authority, "mx")
    ((_, rows),) = seen(diagnosis)
    texts = {row.told for row in rows}
    assert "joe@example.test accepted, postmaster@example.test accepted" in texts
    assert "joe@example.test refused, postmaster@example.test refused" in texts


@pytest.mark.parametrize("width", [80, 100])
async def test_it_stands_below_the_problems_and_within_the_terminal(
    authority: Authority, width: int
) -> None:
    diagnosis, net, _ = await told(WORLD, authority)
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    console.print(report(report_of(diagnosis, net), width))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    marks = (
        "Receiving mail ",
        "Mail from a sender that",
        "owner: ",
        ": what was seen",
        "done after",
    )
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert text.rindex("owner: ") < places[3]


async def test_a_domain_with_a_hundred_hosts_does_not_fill_the_terminal(
    authority: Authority,
) -> None:
    zone = "".join(f"@ MX {n} mx{n}\nmx{n} A 192.0.2.1\n" for n in range(1, 101))
    diagnosis, *_ = await told(World(zone, servers={"192.0.2.1": "clear"}), authority, "mx")
    ((_, rows),) = seen(diagnosis)
    assert len(rows) <= MAX_ROWS
    assert len(rows[0].told) <= 500
