"""`GET /probe`: one probe on demand, as existing Prometheus set-ups ask for it."""

import asyncio
import base64
import re
import ssl
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.config import load, parse
from exporter.metrics.metrics import Metrics
from exporter.model import Config
from exporter.service.loop_monitor import LoopMonitor
from exporter.testbed.servers.script import Close, Say, Signal, Wait
from exporter.testbed.servers.smtp import Script
from exporter.web.application import HttpState
from exporter.web.probe import MAX_AT_ONCE, Prober, allowed
from exporter.web.server import serve
from probes.clock import SYSTEM_CLOCK
from probes.net.tls import TrustStore
from probes.tasks import cancel
from tests.servers.certificates import Authority
from tests.support.mail_world import MailWorld, mail_world

PASSWORD = "correct-horse-battery"
ZONE = "@ MX 10 mx1\nmx1 A 192.0.2.1"
CONFIG = """\
ehlo_name: probe.sender.test
resolvers: ["127.0.0.1:1"]
probe_targets: [example.test]
routes:
  out: {type: submission, host: 127.0.0.1, port: 1, tls: none}
mailboxes:
  inbox: {type: imap, host: 127.0.0.1, port: 1, tls: none, username: u, password: p}
paths:
  out-in: {route: out, mailbox: inbox, mail_from: a@sender.test, rcpt_to: b@reader.test}
jobs:
  careful: {kind: mx, domain: other.test, postmaster: true, deadline: 20s}
  hand-over: {kind: submission, host: relay.test, username: u, password: p}
"""


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return authority.context("mx1.example.test")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "mailcanary.yaml"
    file.write_text(CONFIG)
    return load(file, {})


def prober(config: Config, world: MailWorld) -> Prober:
    return Prober(lambda: config, lambda: world.net)


def samples(text: str) -> dict[str, float]:
    """By name and labels, read by somebody else's parser."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_configured_may_be_asked_for_and_nothing_else(config: Config) -> None:
    assert allowed(config) == {
        *("example.test", "other.test", "relay.test", "sender.test", "reader.test")
    }


async def test_a_probe_is_answered_as_prometheus_reads_it(
    config: Config, trust: TrustStore, context: ssl.SSLContext
) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script(tls=context)}, trust=trust) as world:
        status, text = await prober(config, world).answer(
            {"target": "Example.TEST.", "module": "mx"}, "10"
        )
        assert world.verbs("192.0.2.1") == [["EHLO", "STARTTLS", "EHLO", "QUIT"]]
    found = samples(text)
    assert status == 200
    assert found["probe_success"] == 1
    assert 0 < found["probe_duration_seconds"] < 20
    phases = {name.split()[1] for name in found if name.startswith("probe_phase_duration")}
    assert phases == {
        *("dns_mx", "dns_address", "connect", "greeting", "ehlo", "starttls", "tls", "quit")
    }
    assert found["probe_findings failure"] == 0
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    assert families == [
        *("probe_success", "probe_duration_seconds", "probe_phase_duration_seconds"),
        *("probe_findings", "probe_certificate_expiry_timestamp_seconds", "probe_tls_trusted"),
        *("probe_tls_version_info", "probe_address_success"),
        "probe_address_phase_duration_seconds",
        "probe_address_certificate_expiry_timestamp_seconds",
        "probe_state",
    ]


async def test_a_probe_by_request_does_not_wait_for_a_scheduled_session(
    config: Config, trust: TrustStore, context: ssl.SSLContext
) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script(tls=context)}, trust=trust) as world:
        scheduled = await world.net.limiter.enter("192.0.2.1", 25)
        status, text = await prober(config, world).answer({"target": "example.test"}, "10")
        scheduled.end()
    assert (status, samples(text)["probe_success"]) == (200, 1)


async def test_probes_by_request_leave_the_place_of_scheduled_sessions_free(
    config: Config, trust: TrustStore
) -> None:
    silent = Script(on={"connect": (Signal("in"), Wait())})
    async with mail_world(ZONE, {"192.0.2.1": silent}, trust=trust) as world:
        query = {"target": "example.test"}
        one = prober(config, world)
        asked = [asyncio.create_task(one.answer(query, "5")) for _ in range(MAX_AT_ONCE)]
        await world.peers["192.0.2.1"].told("in")
        assert world.net.limiter.is_free("192.0.2.1", 25)
        await cancel(asked)


async def test_every_address_has_series_of_its_own_and_certificates_their_expiry(
    config: Config, trust: TrustStore, authority: Authority
) -> None:
    contexts = (authority.context("mx1.example.test"), authority.expired("mx1.example.test"))
    peers = {f"192.0.2.{n}": Script(tls=context) for n, context in enumerate(contexts, start=1)}
    zone = f"{ZONE}\nmx1 A 192.0.2.2\nmx1 A 192.0.2.3"
    async with mail_world(zone, peers, trust=trust) as world:
        _, text = await prober(config, world).answer({"target": "example.test"}, None)
    found, now = samples(text), time.time()
    here = "mx1.example.test 192.0.2."
    assert [found[f"probe_address_success {here}{n}"] for n in (1, 2, 3)] == [1, 1, 0]
    expiry = [
        found.get(f"probe_address_certificate_expiry_timestamp_seconds {here}{n}")
        for n in (1, 2, 3)
    ]
    assert expiry[2] is None
    assert expiry[1] is not None
    assert expiry[0] is not None
    assert expiry[1] < now < expiry[0]
    assert found["probe_certificate_expiry_timestamp_seconds"] == expiry[1]
    assert found["probe_tls_trusted"] == 0
    assert found["probe_tls_version_info TLSv1.3"] == 1
    assert found[f"probe_address_phase_duration_seconds {here}1 tls"] > 0


async def test_without_tls_there_is_no_series_of_a_certificate(
    config: Config, trust: TrustStore
) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script()}, trust=trust) as world:
        _, text = await prober(config, world).answer({"target": "example.test"}, None)
    names = {name.split()[0] for name in samples(text)}
    assert not {name for name in names if "certificate" in name or "tls" in name}
    assert "probe_address_success" in names


async def test_a_jobs_options_are_used_with_another_target(
    config: Config, trust: TrustStore
) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script()}, trust=trust) as world:
        status, _ = await prober(config, world).answer(
            {"target": "example.test", "module": "careful"}, None
        )
        assert status == 200
        assert world.verbs("192.0.2.1") == [["EHLO", "MAIL", "RCPT", "RSET", "QUIT"]]


async def test_a_failure_is_a_success_of_0_with_its_owner(
    config: Config, trust: TrustStore
) -> None:
    evil = Script(on={"connect": (Say('554 "}\\n probe_success 1'), Close())})
    async with mail_world(ZONE, {"192.0.2.1": evil}, trust=trust) as world:
        status, text = await prober(config, world).answer({"target": "example.test"}, None)
    found = samples(text)
    assert status == 200
    assert found["probe_success"] == 0
    assert found["probe_failure_info greeting rejected receiver_mx"] == 1


async def test_a_transcript_shows_every_step_and_the_whole_result(
    config: Config, trust: TrustStore
) -> None:
    evil = Script(on={"connect": (Say("554 \x1b[2Jno"), Close())})
    async with mail_world(ZONE, {"192.0.2.1": evil}, trust=trust) as world:
        query = {"target": "example.test", "debug": "true"}
        status, text = await prober(config, world).answer(query, None)
    assert status == 200
    assert re.search(r"mx1\.example\.test 192\.0\.2\.1 greeting 0\.\d+ s rejected", text)
    assert '"reason": "rejected"' in text
    assert text.replace("\n", "").isprintable()
    assert re.search(r"mx1\.example\.test 192\.0\.2\.1 S: 554 .*no$", text, re.MULTILINE)


async def test_a_transcript_shows_what_was_said_by_both_and_no_secret(trust: TrustStore) -> None:
    config = f"""
ehlo_name: probe.example.test
jobs:
  log-in:
    {{kind: submission, host: mx1.example.test, tls: none, username: joe, password: {PASSWORD},
     insecure: true}}
"""
    script = Script(extensions=("AUTH PLAIN LOGIN",), users={"joe": PASSWORD})
    async with mail_world(ZONE, {"192.0.2.1": script}, trust=trust) as world:
        query = {"target": "mx1.example.test", "module": "log-in", "debug": "true"}
        _, text = await prober(parse(config, "x.yaml", {}), world).answer(query, None)
    said = re.findall(r" ((?:C|S): .*)$", text, re.MULTILINE)
    assert said[0].startswith("S: 220 ")
    assert "C: EHLO probe.example.test" in said
    assert "S: 250 AUTH PLAIN LOGIN" in said
    assert said[-4:] == ["C: AUTH PLAIN ***", "S: 235 2.7.0", "C: QUIT", "S: 221 2.0.0 bye"]
    secret = base64.b64encode(f"\0joe\0{PASSWORD}".encode()).decode()
    assert secret not in text
    assert PASSWORD not in text


REFUSALS = [
    ({"target": "stranger.test"}, 403, "probe_targets"),
    ({"target": "192.0.2.1"}, 403, "not configured"),
    ({"target": "a..b"}, 400, "not a domain"),
    ({}, 400, "not a domain"),
    ({"target": "example.test", "module": "mxx"}, 404, "mx"),
    ({"target": "example.test", "module": "submission"}, 404, "no job or kind"),
    ({"target": "example.test", "module": "hand-over"}, 403, "its own host"),
    ({"target": "example.test", "hostname": "x"}, 400, "unknown parameter"),
]


@pytest.mark.parametrize(("query", "status", "says"), REFUSALS)
async def test_what_is_not_probed_is_refused_before_anything_is_asked(
    config: Config, trust: TrustStore, query: dict[str, str], status: int, says: str
) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script()}, trust=trust) as world:
        answered = await prober(config, world).answer(query, None)
        assert not world.peers["192.0.2.1"].conversations
    assert answered[0] == status
    assert says in answered[1]


@pytest.mark.parametrize("header", ["soon", "nan", "-1", "0", "inf", ""])
async def test_a_timeout_that_is_none_is_refused(
    config: Config, trust: TrustStore, header: str
) -> None:
    async with mail_world(ZONE, {}, trust=trust) as world:
        status, _ = await prober(config, world).answer({"target": "example.test"}, header)
    assert status == 400


async def test_the_answer_comes_before_prometheus_gives_up(
    config: Config, trust: TrustStore
) -> None:
    silent = Script(on={"connect": (Wait(),)})
    async with mail_world(ZONE, {"192.0.2.1": silent}, trust=trust) as world:
        status, text = await prober(config, world).answer({"target": "example.test"}, "0.8")
    found = samples(text)
    assert status == 200
    assert found["probe_failure_info greeting timeout receiver_mx"] == 1
    assert found["probe_duration_seconds"] >= 0.3


async def test_more_probes_than_may_run_at_once_are_told_to_come_back(
    config: Config, trust: TrustStore
) -> None:
    silent = Script(on={"connect": (Wait(),)})
    async with mail_world(ZONE, {"192.0.2.1": silent}, trust=trust) as world:
        one = prober(config, world)
        query = {"target": "example.test"}
        answers = await asyncio.gather(*(one.answer(query, "1") for _ in range(MAX_AT_ONCE + 3)))
        assert sorted(status for status, _ in answers) == [200] * MAX_AT_ONCE + [503] * 3
        assert (await one.answer({"target": "stranger.test"}, None))[0] == 403


async def test_it_is_served_over_http_beside_the_metrics(
    config: Config, trust: TrustStore, context: ssl.SSLContext
) -> None:
    metrics = Metrics("1.2.3", SYSTEM_CLOCK)
    metrics.configure(config)
    monitor = LoopMonitor(metrics.loop_lag)
    async with mail_world(ZONE, {"192.0.2.1": Script(tls=context)}, trust=trust) as world:
        state = HttpState(metrics, monitor, lambda: (), prober(config, world).answer)
        async with (
            monitor,
            serve(state, "127.0.0.1", 0) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            good = await client.get("/probe", params={"target": "example.test"})
            bad = await client.get("/probe", params={"target": "stranger.test"})
            headers = {"X-Prometheus-Scrape-Timeout-Seconds": "never"}
            late = await client.get("/probe?target=example.test", headers=headers)
            posted = await client.post("/probe?target=example.test")
    assert (good.status_code, samples(good.text)["probe_success"]) == (200, 1)
    assert good.headers["content-type"].startswith("text/plain")
    assert [bad.status_code, late.status_code, posted.status_code] == [403, 400, 405]
