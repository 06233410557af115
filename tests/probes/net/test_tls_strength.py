"""What is weak about a TLS session that was accepted on purpose."""

import ssl
from pathlib import Path

import pytest

from exporter.testbed.servers.certificates import Authority
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import WorldSpec, running
from probes.clock import SYSTEM_CLOCK
from probes.kinds import mx
from probes.kinds.policy import probe as policy
from probes.net.tls import TrustStore
from probes.net.tls_strength import weak_points
from probes.options import Domain
from probes.result import ProbeResult, all_findings
from probes.run import run_once
from probes.trace import Trace

MX = "mx.example.test"
ADDRESS = "192.0.2.1"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(Path(tmp_path_factory.mktemp("ca")))


async def probed(own: Authority, context: ssl.SSLContext, kind: str = "mx") -> ProbeResult:
    spec = WorldSpec(
        trust=TrustStore(str(own.file)),
        zones={"example.test": f"@ MX 10 mx\nmx A {ADDRESS}\n"},
        servers={ADDRESS: Script(tls=context)},
    )
    domain = Domain("example.test")
    async with running(spec) as world:

        async def work(trace: Trace) -> None:
            if kind == "mx":
                await mx.probe(world.net, mx.MxTarget(domain), trace)
            else:
                await policy.probe(world.net, policy.PolicyTarget(domain), trace)

        return await run_once(kind, work, clock=SYSTEM_CLOCK, deadline=20)


def weak(result: ProbeResult) -> list[str]:
    return [f"{f.status} {f.evidence}" for f in all_findings(result) if f.code == "smtp.tls.weak"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_an_old_version_is_accepted_and_warned_of(
    own: Authority, version: ssl.TLSVersion
) -> None:
    result = await probed(own, own.of_version(version, MX))
    assert result.ok
    assert weak(result) == [f"warning {version.name.replace('_', '.')} is deprecated"]
    assert {f.reference for f in all_findings(result) if f.code == "smtp.tls.weak"} == {
        "RFC 8996 §4"
    }


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_version_of_today_is_nothing_to_tell(
    own: Authority, version: ssl.TLSVersion
) -> None:
    assert weak(await probed(own, own.of_version(version, MX))) == []


@pytest.mark.parametrize(("bits", "is_weak"), [(1024, True), (2048, False)])
async def test_the_size_of_a_diffie_hellman_group_is_told(
    own: Authority, bits: int, *, is_weak: bool
) -> None:
    result = await probed(own, own.with_group(bits, MX))
    assert result.ok
    told = ["warning the Diffie-Hellman group has 1024 bits"] if is_weak else []
    assert weak(result) == told


async def test_the_consequences_name_what_is_weak(own: Authority) -> None:
    result = await probed(own, own.of_version(ssl.TLSVersion.TLSv1, MX), "policy")
    shown = str(result.facts)
    assert "TLS is weak (TLSv1 is deprecated)" in shown
    assert "send in clear" in shown


@pytest.mark.parametrize(
    ("version", "cipher", "bits", "count"),
    [
        *(("TLSv1.3", "TLS_AES_256_GCM_SHA384", 0, 0), ("TLSv1.2", "AES256-SHA", 0, 0)),
        *(("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", 0, 0), ("SSLv3", "RC4-MD5", 0, 2)),
        *(("TLSv1.2", "DHE-RSA-AES256-SHA", 1024, 1), ("TLSv1.2", "DES-CBC3-SHA", 0, 1)),
        *(("TLSv1.2", "ECDHE-RSA-DES-CBC3-SHA", 0, 1), ("TLSv1", "ECDHE-RSA-RC4-SHA", 0, 2)),
        *(("TLSv1.2", "EXP-DES-CBC-SHA", 0, 1), ("TLSv1.2", "NULL-SHA256", 0, 1)),
        *(("TLSv1.2", "DHE-RSA-AES256-SHA", 2047, 1), ("TLSv1.1", "IDEA-CBC-SHA", 0, 2)),
    ],
)
def test_version_cipher_and_group_are_judged_each(
    version: str, cipher: str, bits: int, count: int
) -> None:
    assert len(weak_points(version, cipher, bits)) == count
