"""Kind `sender` where it is not told everything: what it does not look at, it says."""

from dataclasses import replace

from exporter.testbed.servers.keys import key_record
from probes.catalogue import ENTRIES
from probes.options import Host, IpAddress
from probes.result import ProbeResult, Status
from tests.probes.kinds.sender.test_sender import (
    GOOD,
    IP,
    NAMES,
    TARGET,
    World,
    all_findings,
    rsa_public,
)

BARE = replace(TARGET, sending_ips=(), ehlo_name=None)
KEY = key_record("s1", f"v=DKIM1; p={rsa_public(2048)}")


def unexamined(result: ProbeResult) -> dict[str, str]:
    assert ENTRIES["sender.not_examined"].severity.keys() == {Status.INFO}
    found = [one for one in all_findings(result) if one.code == "sender.not_examined"]
    return {str(one.subject): one.evidence for one in found}


async def test_without_sending_addresses_the_records_alone_are_probed_and_that_is_said() -> None:
    result = await World().run(BARE)
    assert result.ok
    assert [part.host for part in result.parts] == ["example.test", "_dmarc.example.test"]
    assert result.facts["sender.examined"] == ("spf", "dmarc")
    said = unexamined(result)
    assert list(said) == [
        "the SPF result of the sending addresses",
        "the reverse DNS of the sending addresses",
        "the EHLO name of the sending machines",
        "the DKIM keys",
        "the block lists",
    ]
    assert all("--sending-ip" in why for what, why in said.items() if "DKIM" not in what)
    assert "--selector" in said["the DKIM keys"]


async def test_a_run_that_is_told_everything_leaves_nothing_out() -> None:
    result = await World(f"{GOOD}\n{KEY}").run(replace(TARGET, selectors=("s1",)))
    assert all_findings(result) == []
    assert result.facts["sender.examined"] == (
        *("spf", "dmarc", "spf_result", "rdns", "ehlo", "dkim", "dnsbl"),
    )


async def test_without_an_ehlo_name_the_monitors_own_is_never_judged() -> None:
    zone = f'{GOOD}\n{KEY}\nservice TXT "v=spf1 -all"\nservice A 203.0.113.9'
    target = replace(TARGET, ehlo_name=None, selectors=("s1",))
    result = await World(zone).run(target)
    assert {(one.code, one.status) for one in all_findings(result)} == {
        ("sender.not_examined", Status.INFO)
    }
    assert "--helo" in unexamined(result)["the EHLO name of the sending machines"]
    assert all("ehlo_name" not in part.facts for part in result.parts)
    assert all("spf.helo_result" not in part.facts for part in result.parts)
    assert "service.example.test" not in repr(result)


async def test_a_policy_about_ehlo_names_does_not_meet_an_unknown_one_with_the_monitors() -> None:
    zone = f'@ TXT "v=spf1 exists:%{{h}}.example.test -all"\nunknown A {IP}\n{NAMES}'
    result = await World(zone).run(replace(TARGET, ehlo_name=None))
    (part,) = (p for p in result.parts if p.address == IP and p.host == "example.test")
    assert part.facts["spf.result"] == "pass"


async def test_a_literal_is_told_of_the_address_that_uses_it_and_never_looked_up() -> None:
    result = await World(f"{GOOD}\n{KEY}").run(
        replace(TARGET, ehlo_name=Host("[192.0.2.25]"), selectors=("s1",))
    )
    (finding,) = (one for one in all_findings(result) if one.code == "ehlo.literal")
    assert (str(finding.subject), finding.evidence) == (IP, "it calls itself [192.0.2.25]")


async def test_a_run_without_lists_says_so() -> None:
    target = replace(TARGET, block_lists=(), sending_ips=(IpAddress(IP),))
    assert "block_lists" in unexamined(await World().run(target))["the block lists"]
