"""`mailcanary diagnose`: a whole diagnosis against scripted servers, and what is made of it."""

import asyncio
import io
import json
import shlex
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from exporter.diagnose.diagnosis import Diagnosis, areas_of, build_target, diagnose
from exporter.diagnose.document import document
from exporter.diagnose.problems import problems
from exporter.diagnose.report import report_of
from exporter.diagnose.request import Request, Typed, read_request, read_server, read_target
from exporter.diagnose.verdicts import exit_code, verdict
from exporter.terminal.diagnosis import LiveTree, PlainLines, pasteable, report
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.script import Close, Say, Wait
from exporter.testbed.servers.smtp import Script
from probes.net import Net
from probes.net.tls import TrustStore
from probes.registry.rows import KINDS
from probes.result import Owner, Status
from probes.trace import Step
from tests.servers.certificates import Authority
from tests.support.mail_world import mail_world
from tests.support.places import DOCS
from tests.support.policy_world import policy_world

ONE = "@ MX 10 mx1\nmx1 A 192.0.2.1"
TWO = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.1\nmx2 A 192.0.2.2"
JSON_PAGE = DOCS / "json.md"


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return authority.context("mx1.example.test", "mx2.example.test")


def request(target: str = "example.test", **options: object) -> Request:
    return read_request(Typed(target, only="mx", resolver=("127.0.0.1",), **options))  # type: ignore[arg-type]


async def run(net: Net, asked: Request | None = None) -> Diagnosis:
    return await diagnose(net, asked or request(), lambda _area, _step: None, asyncio.Event())


def shown(diagnosis: Diagnosis, net: Net, width: int = 80) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    console.print(report(report_of(diagnosis, net), width))
    return file.getvalue()


# -- what was typed


def test_the_resolver_can_be_tested_with_a_name_of_the_user() -> None:
    assert request(broken_name="Broken.test.").options["broken_name"] == "broken.test"
    assert request().options["broken_name"] is None
    with pytest.raises(ValueError, match="--broken-name"):
        request(broken_name="a..b")


def test_more_resolvers_than_are_asked_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 8"):
        read_request(Typed("example.test", resolver=("127.0.0.1",) * 9))


@pytest.mark.parametrize(
    ("typed", "domain", "address"),
    [
        ("example.test", "example.test", None),
        ("EXAMPLE.test.", "example.test", None),
        (" example.test\n", "example.test", None),
        ("Bücher.example", "xn--bcher-kva.example", None),
        ("https://user@www.example.test:8443/a?b#c", "www.example.test", None),
        ("joe@example.test", "example.test", "joe@example.test"),
        ("<joe@example.test>", "example.test", "joe@example.test"),
        ("mailto:joe@example.test", "example.test", "joe@example.test"),
        ("joe@bücher.example", "xn--bcher-kva.example", "joe@xn--bcher-kva.example"),
        ("localhost", "localhost", None),
    ],
)
def test_a_domain_is_understood_however_it_is_written(
    typed: str, domain: str, address: str | None
) -> None:
    assert read_target(typed)[:2] == (domain, address)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "not a domain name"),
        (".", "not a domain name"),
        ("example.test..", "not a domain name"),
        ("a..b", "not a domain name"),
        ("-a.test", "not a domain name"),
        ("192.0.2.1", "IP address"),
        ("[192.0.2.1]", "IP address"),
        ("joe@[IPv6:2001:db8::1]", "IP address"),
        ("2001:db8::1", "IP address"),
        ("https://", "URL without a host"),
        ("http://[::1", "no URL"),
        ("a" * 64 + ".test", "not a domain name"),
        ("a." * 200 + "test", "1 to 255 octets"),
        ("x" * 2000, "2000 characters"),
        ("joe smith@example.test", "not a local part"),
        ("evil\x1b[2J.test", "not a domain name"),
    ],
)
def test_what_is_no_domain_is_refused_in_one_clear_line(typed: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        read_target(typed)
    assert str(caught.value).isprintable()


@given(st.text(max_size=300))
def test_any_text_is_understood_or_refused_in_one_printable_line(typed: str) -> None:
    complaint, domain = "", "example"
    try:
        domain, _, _ = read_target(typed)
    except ValueError as error:
        complaint = str(error)
    assert complaint.isprintable()
    assert domain.isascii()
    assert domain


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_a_resolver_is_an_address_with_or_without_a_port(
    text: str, server: tuple[str, int]
) -> None:
    assert read_server(text) == server


@pytest.mark.parametrize("text", ["", "dns.test", "192.0.2.53:0", "192.0.2.53:x", "[::1:99999"])
def test_what_is_no_resolver_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--resolver"):
        read_server(text)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": "0s"},
        {"timeout": "nan"},
        {"timeout": "1h"},
        {"timeout": "s"},
        {"smtp_port": 0},
        {"smtp_port": 70000},
        {"only": "mx,everything"},
        {"helo": "not a name"},
        {"helo": "[not.an.address]"},
        {"sending_ip": ("here",)},
        {"source_address": "here"},
        {"mail_from": "nobody"},
        {"selector": ("a b",)},
    ],
)
def test_every_option_refuses_what_it_cannot_mean(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="--"):
        read_request(Typed("example.test", **options))  # type: ignore[arg-type]


def test_durations_have_units() -> None:
    assert [request(timeout=text).seconds for text in ("500ms", "3s", "2m", "4")] == [
        *(0.5, 3.0, 120.0, 4.0)
    ]


def test_every_area_whose_kind_there_is_can_be_built_from_the_options() -> None:
    everything = read_request(
        Typed("joe@example.test", sending_ip=("192.0.2.9",), selector=("s1",), rcpt=True)
    )
    assert next(area.name for area in areas_of(everything)) == "mx"
    for area in areas_of(everything):
        shape = KINDS[area.name].target
        target = build_target(shape, {"domain": everything.domain, **everything.options})
        assert target.domain == "example.test"
    with pytest.raises(TypeError, match="domain"):
        build_target(KINDS["mx"].target, {})


# -- verdicts and exit codes


async def test_a_healthy_domain_has_a_plain_sentence_and_exit_code_0(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    async with mail_world(ONE, {"192.0.2.1": Script(tls=context)}, trust=trust) as world:
        diagnosis = await run(world.net)
    (area,) = diagnosis.areas
    assert exit_code(diagnosis) == 0
    assert verdict(area, "example.test") == (
        "The mail servers of example.test answer the handshake at 1 of 1 addresses, "
        "at 1 of them under TLS, at 1 with a certificate to be trusted; "
        "whether they take mail for example.test was not asked (`--rcpt`)."
    )


async def test_a_domain_that_takes_no_mail_by_its_own_word_is_no_defect(trust: TrustStore) -> None:
    async with mail_world("@ MX 0 .", {}, trust=trust) as world:
        diagnosis = await run(world.net)
        assert problems(diagnosis, world.net) == ()
    assert exit_code(diagnosis) == 0
    assert "takes no mail" in verdict(diagnosis.areas[0], "example.test")


async def test_a_warning_is_exit_code_1_a_failure_2_and_what_we_cannot_see_3(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    good = Script(tls=context)
    async with mail_world(TWO, {"192.0.2.1": good}, trust=trust) as world:
        assert exit_code(await run(world.net)) == 1
    async with mail_world(TWO, {}, trust=trust) as world:
        assert exit_code(await run(world.net)) == 2
    async with mail_world(ONE, {"192.0.2.1": good}, trust=trust) as world:
        await world.dns.__aexit__(None, None, None)
        diagnosis = await run(world.net)
        assert exit_code(diagnosis) == 3
        (problem,) = problems(diagnosis, world.net)
    assert (problem.status, problem.owner) == (Status.UNTESTABLE, Owner.RESOLVER)
    assert "could not be tested" in verdict(diagnosis.areas[0], "example.test")


async def test_a_resolver_that_does_not_validate_leaves_a_diagnosis_untestable(
    trust: TrustStore, authority: Authority
) -> None:
    zone = "@ MX 10 mx\nmx A 192.0.2.1\n"
    hosts = {"192.0.2.1": Script(tls=authority.context("mx.example.test"))}
    asked = read_request(Typed("example.test", only="policy", resolver=("127.0.0.1",)))
    async with policy_world(zone, trust=trust, hosts=hosts, signed=()) as net:
        diagnosis = await run(net, asked)
    assert exit_code(diagnosis) == 3
    assert verdict(diagnosis.areas[0], "example.test") == (
        "As far as it could be tested, nothing that example.test promises about TLS is broken; "
        "1 thing could not be tested."
    )


# -- what to do


async def test_a_failure_names_its_owner_and_how_to_see_it(trust: TrustStore) -> None:
    server = Script(on={"connect": (Say("554 5.7.1 you are listed"), Close())})
    asked = request(smtp_port=2525, helo="me.example.test", source_address="127.0.0.1")
    async with mail_world(ONE, {"192.0.2.1": server}, trust=trust) as world:
        net = world.net
        diagnosis = await run(net, asked)
        first, *_ = found = problems(diagnosis, net)
    assert exit_code(diagnosis) == 2
    assert first.status is Status.FAILURE
    codes = [problem.code for problem in found]
    assert codes[0] == "smtp.greeting.rejected"
    assert "greeting.rejected" not in codes  # it is told once, by what says what to do
    (command,) = first.reproduce
    words = shlex.split(command)
    assert words[0] == "swaks"
    assert words[words.index("--server") + 1] == "192.0.2.1"
    assert words[words.index("--port") + 1] == "2525"
    assert words[words.index("--ehlo") + 1] == "me.example.test"
    assert words[words.index("--local-interface") + 1] == "127.0.0.1"
    assert "you are listed" in first.cases[0].evidence


async def test_the_gravest_come_first_and_one_code_is_told_once(trust: TrustStore) -> None:
    async with mail_world(
        TWO + "\n@ MX 30 ghost", dict.fromkeys(("192.0.2.1", "192.0.2.2"), Script()), trust=trust
    ) as world:
        diagnosis = await run(world.net)
        found = problems(diagnosis, world.net)
    order = [Status.FAILURE, Status.WARNING, Status.UNTESTABLE, Status.NOTICE, Status.INFO]
    assert [p.status for p in found] == sorted((p.status for p in found), key=order.index)
    (without,) = [p for p in found if p.code == "smtp.starttls.not_offered"]
    assert [case.subject for case in without.cases] == [
        "mx1.example.test [192.0.2.1]",
        "mx2.example.test [192.0.2.2]",
    ]
    (ghost,) = [p for p in found if "ghost" in p.cases[0].subject]
    assert ghost.code == "mx.host_unresolved"
    assert "ghost.example.test" in ghost.reproduce[0]


async def test_an_ipv6_address_is_written_as_openssl_wants_it(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    zone = "@ MX 10 mx1\nmx1 AAAA 2001:db8::1"
    script = Script(tls=context, on={"STARTTLS": (Say("454 4.7.0 later"),)})
    async with mail_world(zone, {"2001:db8::1": script}, trust=trust) as world:
        diagnosis = await run(world.net)
        first, *_ = problems(diagnosis, world.net)
    words = shlex.split(first.reproduce[0])
    assert words[words.index("-connect") + 1] == "[2001:db8::1]:25"


async def test_what_a_server_says_reaches_neither_the_terminal_nor_the_shell(
    trust: TrustStore,
) -> None:
    zone = "@ MX 10 x\\;reboot\nx\\;reboot A 192.0.2.1"
    evil = Script(on={"connect": (Say("554 \x1b[2J\x07 [red]listed[/red]"),)})
    async with mail_world(zone, {"192.0.2.1": evil}, trust=trust) as world:
        diagnosis = await run(world.net)
        text = shown(diagnosis, world.net)
        found = problems(diagnosis, world.net)
    assert text.replace("\n", "").isprintable()
    assert "[red]listed" in text
    commands = [command for problem in found for command in problem.reproduce]
    assert commands
    for command in commands:
        assert ";" not in "".join(command.split("'")[::2])


# -- live, interrupted, as JSON


async def test_an_interrupted_diagnosis_tells_what_was_seen_until_then(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    peers = {
        "192.0.2.1": Script(tls=context),
        "192.0.2.2": Script(on={"connect": (Wait(),)}),
    }
    stop = asyncio.Event()

    def listener(_: str, step: Step) -> None:
        if step.address == "192.0.2.1" and step.phase == "quit" and step.timing is not None:
            stop.set()

    async with mail_world(TWO, peers, trust=trust) as world:
        diagnosis = await diagnose(world.net, request(), listener, stop)
        told = shown(diagnosis, world.net)
    assert diagnosis.is_interrupted
    assert exit_code(diagnosis) == 3
    first, second = sorted(diagnosis.areas[0].result.parts, key=lambda part: part.host)
    assert first.ok
    assert second.failure is not None
    assert second.failure.is_untestable
    assert "interrupted" in told.splitlines()[0]
    assert "interrupted after" in told


async def test_the_deadline_of_an_area_ends_it_with_what_is_known(trust: TrustStore) -> None:
    silent = Script(on={"connect": (Wait(),)})
    async with mail_world(ONE, {"192.0.2.1": silent}, trust=trust) as world:
        diagnosis = await run(world.net, request(timeout="300ms"))
    assert exit_code(diagnosis) == 2
    failure = diagnosis.areas[0].result.failure
    assert failure is not None
    assert (failure.phase, failure.reason) == ("greeting", "timeout")


async def test_a_silent_resolver_is_never_the_domains_fault_however_short_the_time(
    trust: TrustStore,
) -> None:
    faults = {("*", kind): DnsFault(Misbehaviour.SILENCE) for kind in ("MX", "TXT", "A", "NS")}
    asked = read_request(Typed("example.test", resolver=("127.0.0.1",), timeout="200ms"))
    async with mail_world(ONE, {}, trust=trust, faults=faults) as world:
        diagnosis = await run(world.net, asked)
    failures = {one.area.name: one.result.failure for one in diagnosis.areas}
    assert {name: failure and failure.owner for name, failure in failures.items()} == {
        one.name: Owner.RESOLVER for one in areas_of(asked)
    }
    assert exit_code(diagnosis) == 3


@pytest.mark.parametrize("width", [80, 140])
async def test_the_report_and_the_tree_keep_within_the_terminal(
    trust: TrustStore, context: ssl.SSLContext, width: int
) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    tree = LiveTree(console, areas_of(request()))
    async with mail_world(TWO, {"192.0.2.1": Script(tls=context)}, trust=trust) as world:
        diagnosis = await diagnose(world.net, request(), tree.hear, asyncio.Event())
        told = shown(diagnosis, world.net, width)
    console.print(tree.view())
    lines = [*file.getvalue().splitlines(), *told.splitlines()]
    assert max(map(len, lines)) <= width
    assert "mx1.example.test" in file.getvalue()
    assert "connection_refused" in file.getvalue()
    assert "owner: the receiver" in told


async def test_without_a_terminal_every_step_is_a_line(trust: TrustStore) -> None:
    file = io.StringIO()
    lines = PlainLines(Console(file=file, width=80))
    async with mail_world(ONE, {"192.0.2.1": Script()}, trust=trust) as world:
        with lines:
            await diagnose(world.net, request(), lines.hear, asyncio.Event())
    phases = [line.split()[1] for line in file.getvalue().splitlines()]
    assert phases == ["dns_mx", "dns_address", "connect", "greeting", "ehlo", "quit"]


@given(st.lists(st.text(alphabet="abc-./:", min_size=1, max_size=30), min_size=1, max_size=12))
def test_a_command_that_was_broken_into_lines_is_the_same_command(words: list[str]) -> None:
    command = shlex.join([*words, "$(evil) stuff"])
    broken = pasteable(command, 40)
    assert shlex.split(broken.replace("\\\n", "")) == shlex.split(command)


async def test_the_whole_tree_is_json_and_its_page_names_every_key(trust: TrustStore) -> None:
    async with mail_world(ONE, {"192.0.2.1": Script()}, trust=trust) as world:
        diagnosis = await run(world.net)
        told = json.loads(json.dumps(document(diagnosis, world.net)))
    assert told["version"] == 1
    assert told["exit_code"] == exit_code(diagnosis) == 1
    assert told["areas"][0]["result"]["parts"][0]["address"] == "192.0.2.1"
    page = JSON_PAGE.read_text("utf-8").partition("diagnose --json")[2]
    keys = {*told, *told["areas"][0], *told["problems"][0]}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


# -- what senders would do


async def test_what_two_areas_saw_alike_is_told_once(trust: TrustStore) -> None:
    faults = {("example.test", "MX"): DnsFault(Misbehaviour.BOGUS_UNSAID)}
    async with mail_world(ONE, {}, trust=trust, faults=faults) as world:
        asked = read_request(Typed("example.test", only="mx,policy", resolver=("127.0.0.1",)))
        diagnosis = await run(world.net, asked)
        told = [one for one in problems(diagnosis, world.net) if one.code == "dnssec.bogus"]
    findings = [f for one in diagnosis.areas for f in one.result.findings]
    assert len([f for f in findings if f.code == "dnssec.bogus"]) == 2
    assert [(one.area, one.owner) for one in told] == [("mx", Owner.RECEIVER_DNS)]


async def test_the_report_says_what_every_kind_of_sender_would_do(
    trust: TrustStore, authority: Authority
) -> None:
    zone = "@ MX 10 mx\nmx A 192.0.2.1\n"
    hosts = {"192.0.2.1": Script(tls=authority.context("mx.example.test"))}
    asked = read_request(Typed("example.test", only="policy", resolver=("127.0.0.1",)))
    async with policy_world(zone, trust=trust, hosts=hosts) as net:
        diagnosis = await run(net, asked)
        text = " ".join(shown(diagnosis, net, 200).split())
    assert "verifies nothing delivered encrypted STARTTLS works" in text
    assert "requires TLS bounced mx.example.test [192.0.2.1]: it does not offer" in text
    assert "RFC 8689 §4.2.1" in text


async def test_a_diagnosis_without_that_area_has_no_such_table(trust: TrustStore) -> None:
    async with mail_world(ONE, {"192.0.2.1": Script()}, trust=trust) as world:
        text = shown(await run(world.net), world.net)
    assert "verifies nothing" not in text
