"""`mailcanary diagnose` as it is typed inside the chain, and the commands that it prints, run."""

import json
import re
import shlex
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.integration.chain.diagnoses import diagnose_all

pytestmark = pytest.mark.timeout(120)

Printed = Mapping[str, tuple[int, str]]
PROGRAM = str(Path(sys.executable).with_name("mailcanary"))
WE = ("--helo", layout.CANARY_HOST, "--source-address", layout.CANARY)
SENDS = ("--sending-ip", layout.OUT[0], "--selector", "s1")
SERVERS = ("--only", "nameservers", "--json")
TRANSPORT = ("--only", "mx,policy", "--json")
FROM_NOWHERE = ("--resolver", "127.0.0.1:5357")
LINES: dict[str, tuple[str, ...]] = {
    "sender": (layout.SENDER, *SENDS, *WE, "--rcpt", "--catch-all", "--open-relay", "--json"),
    "nobody": ("nobody@example.test", *WE, "--rcpt", "--only", "mx", "--json"),
    "example": ("example.test", "--selector", "none", *WE, "--json"),
    "expired": (layout.EXPIRED, "--json"),
    "wrong": ("wrong.example.test", *TRANSPORT),
    "misnamed": ("plain.example.test", *TRANSPORT),
    "pair": ("pair.test", *SERVERS),
    "lame": ("lame.test", *SERVERS),
    "udp": ("udp.test", *SERVERS),
    "deaf": ("example.test", *FROM_NOWHERE, "--json"),
    "dead": ("dead.example.test", *TRANSPORT),
    "silent": ("silent.example.test", "--only", "mx", "--timeout", "2s"),
    "url": ("https://example.test./inbox?a=b", "--only", "mx"),
}
"""What is typed where it does not matter how long the program takes to load."""


@pytest.fixture(scope="module")
def logged(chain: Chain) -> int:
    """How much the MX had logged before."""
    return len(chain.log("mx"))


@pytest.fixture(scope="module")
def printed(chain: Chain, logged: int) -> Printed:
    """Exit code and output of every one of them."""
    assert logged
    return diagnose_all(chain, LINES)


def tree(printed: Printed, name: str) -> Any:
    """The JSON, whose exit code is that of the command."""
    code, text = printed[name]
    told = json.loads(text)
    assert told["exit_code"] == code
    return told


def installed(chain: Chain, *arguments: str) -> list[str]:
    """The installed command, with the chain's authority for the system's."""
    environ = (f"SSL_CERT_FILE={chain.place.ca_file}", "COLUMNS=200")
    return ["env", *environ, PROGRAM, "diagnose", *arguments]


def area(told: Any, name: str) -> Any:
    (found,) = (one for one in told["areas"] if one["area"] == name)
    return found["result"]


def problem(told: Any, code: str) -> Any:
    (found,) = (one for one in told["problems"] if one["code"] == code)
    return found


def defects(told: Any) -> list[Any]:
    """The problems but for what is no more than worth knowing."""
    return [one for one in told["problems"] if one["status"] != "info"]


def shown(chain: Chain, told: Any, code: str, ok: int = 0) -> str:
    """What the commands of a problem print when they are pasted into a shell there."""
    environ = (f"MAIL_CONFIG={chain.place.postfix('out')}", f"SSL_CERT_FILE={chain.place.ca_file}")
    lines = problem(told, code)["reproduce"]
    assert lines
    done = [chain.run(["env", *environ, "sh", "-c", line], ok=(ok,)) for line in lines]
    return "".join(one.stdout for one in done)


# -- a healthy domain


def test_a_healthy_domain_from_the_first_line_to_the_verdicts(chain: Chain) -> None:
    done = chain.run(installed(chain, "sender.test", *SENDS, "--helo", layout.OUT_HOST))
    first, *_ = done.stderr.splitlines()
    verdict, *rest = done.stdout.splitlines()
    assert done.returncode == 0
    assert first == f"sender.test  as {layout.OUT_HOST}, asking the system's resolver"
    assert verdict == rest[-1]
    assert verdict.startswith("✓ sender.test: OK: answers the handshake")
    titles = ("Receiving mail", "Transport security", "Sending mail", "Name servers")
    verdicts = [line for line in rest if line.startswith(("✓", "✗", "!", "?"))][: len(titles)]
    for title, line in zip(titles, verdicts, strict=True):
        assert line.startswith(f"✓ {title} ")
    assert (
        "at 1 of 1 addresses, at 1 of them under TLS, at 1 with a certificate to be" in done.stdout
    )
    assert re.search(r"honours DANE +delivered authenticated", done.stdout)


def test_the_tree_has_every_area_and_the_facts_of_the_servers(printed: Printed) -> None:
    told = tree(printed, "sender")
    assert (told["domain"], told["address"]) == ("sender.test", layout.SENDER)
    assert (told["exit_code"], told["interrupted"]) == (0, False)
    assert told["ehlo_name"] == layout.CANARY_HOST
    assert [one["area"] for one in told["areas"]] == ["mx", "policy", "sender", "nameservers"]
    assert all(one["result"]["ok"] for one in told["areas"])
    (host,) = area(told, "mx")["parts"]
    assert host["facts"]["smtp.greeting"] == "mx.example.test ESMTP Postfix"
    assert host["facts"]["rcpt.catch_all"] == "refused"
    assert host["facts"]["rcpt.open_relay"] == "undecided"  # our name is below the domain
    (same,) = area(told, "policy")["parts"]
    assert same["facts"]["tls.sha256"][0] == host["facts"]["tls.certificate_sha256"]
    assert same["timings"] == []  # what one area saw the other does not ask for again
    assert area(told, "nameservers")["facts"]["nameservers.zone"] == "sender.test"


def test_it_comes_from_the_address_and_with_the_name_that_were_given(
    chain: Chain, logged: int, printed: Printed
) -> None:
    told = tree(printed, "nobody")
    assert told["exit_code"] == 2
    refused = problem(told, "rcpt.refused")
    assert "550 5.1.1 <nobody@example.test>" in refused["cases"][0]["evidence"]
    (line,) = refused["reproduce"]
    words = shlex.split(line)
    assert words[:3] == ["swaks", "--to", "nobody@example.test"]
    assert words[words.index("--local-interface") + 1] == layout.CANARY
    assert re.search(
        rf"RCPT from \S+\[{layout.CANARY}\]: 550 .*from=<> to=<nobody@example.test> "
        rf"proto=ESMTP helo=<{layout.CANARY_HOST}>",
        chain.log("mx")[logged:],
    )


# -- what it prints to be pasted


def test_a_zone_that_does_not_validate_is_told_once_an_area_and_seen_by_dig(
    chain: Chain, printed: Printed
) -> None:
    told = tree(printed, "expired")
    assert told["exit_code"] == 2
    assert [(one["area"], one["code"]) for one in defects(told)] == [
        ("mx", "dnssec.bogus"),
        ("sender", "spf.lookup_failed"),
        ("sender", "dmarc.lookup_failed"),
    ]
    output = shown(chain, told, "dnssec.bogus")
    assert re.findall(r"status: (\w+)", output) == ["SERVFAIL", "NOERROR"]
    assert re.search(rf"MX\s+10 {layout.MX_HOST}", output)
    for code in ("spf.lookup_failed", "dmarc.lookup_failed"):
        assert "status: SERVFAIL" in shown(chain, told, code)


def test_a_record_that_fits_no_certificate_is_seen_by_dig_and_postfix(
    chain: Chain, printed: Printed
) -> None:
    told = tree(printed, "wrong")
    assert told["exit_code"] == 2
    assert problem(told, "dane.mismatch")["owner"] == "receiver_mx"
    output = shown(chain, told, "dane.mismatch")
    (part,) = area(told, "policy")["parts"]
    *_, digest = part["facts"]["dane.tlsa"][0].split()
    assert digest in output.replace(" ", "").lower()
    assert "no matching DANE TLSA records" in output


def test_a_certificate_for_another_name_is_seen_by_openssl(chain: Chain, printed: Printed) -> None:
    told = tree(printed, "misnamed")
    (part,) = area(told, "mx")["parts"]
    assert part["facts"]["tls.untrusted_reason"] == "certificate_host_mismatch"
    output = shown(chain, told, "smtp.starttls.certificate_host_mismatch")
    assert "Verification error: hostname mismatch" in output
    assert f"New, {part['facts']['tls.version']}, Cipher is" in output


def test_servers_that_differ_are_each_asked_by_dig(chain: Chain, printed: Printed) -> None:
    told = tree(printed, "pair")
    assert told["exit_code"] == 1
    assert told["areas"][0]["verdict"] == (
        "The name servers of pair.test answer, and not all as they should; 1 warning."
    )
    output = shown(chain, told, "nameservers.answers_differ")
    assert re.search(rf"MX\s+10 {layout.MX_HOST}", output)
    assert re.search(rf"MX\s+10 {layout.EXIM_HOST}", output)
    serials = re.findall(
        r"hostmaster\S* (\d) 3600", shown(chain, told, "nameservers.serials_differ")
    )
    assert sorted(serials) == ["1", "2"]


def test_a_server_without_the_zone_and_one_without_tcp_are_seen_by_dig(
    chain: Chain, printed: Printed
) -> None:
    assert "status: REFUSED" in shown(chain, tree(printed, "lame"), "nameservers.lame")
    no_reply = 9
    output = shown(chain, tree(printed, "udp"), "nameservers.tcp_failed", no_reply)
    assert "connection refused" in output


def test_every_other_command_that_is_printed_runs(chain: Chain, printed: Printed) -> None:
    told = tree(printed, "example")
    printing = [one for one in told["problems"] if one["reproduce"]]
    assert printing
    for one in printing:
        assert {line.split()[0] for line in one["reproduce"]} == {"dig"}
        assert "status: " in shown(chain, told, one["code"])


# -- what is dead


def test_without_our_resolver_nothing_is_known_and_nobody_else_is_blamed(printed: Printed) -> None:
    told = tree(printed, "deaf")
    assert told["exit_code"] == 3
    assert {one["exit_code"] for one in told["areas"]} == {3}
    assert {one["owner"] for one in defects(told)} == {"resolver"}
    assert {one["result"]["failure"]["owner"] for one in told["areas"]} == {"resolver"}


def test_the_same_is_true_of_the_systems_resolver(chain: Chain) -> None:
    chain.stop_daemon("unbound")
    try:
        done = chain.run(installed(chain, "example.test"), ok=(3,))
    finally:
        chain.start_daemon("unbound")
    assert done.stdout.count("This could not be tested from here") == 1
    assert done.stdout.count("Not tested: ") == 3
    assert set(re.findall(r"owner: (.*?) *$", done.stdout, re.MULTILINE)) == {"our resolver"}


def test_a_dead_host_is_their_mail_servers_trouble_and_told_once(printed: Printed) -> None:
    told = tree(printed, "dead")
    assert told["exit_code"] == 2
    (failed,) = (one for one in told["problems"] if one["status"] == "failure")
    assert (failed["code"], failed["owner"]) == ("connect.connection_refused", "receiver_mx")
    assert area(told, "policy")["facts"]["consequence.opportunistic"] == "deferred"


def test_a_host_that_does_not_answer_is_the_networks_trouble(printed: Printed) -> None:
    code, out = printed["silent"]
    assert code == 2
    assert "connect.timeout · owner: the network between" in out


def test_ctrl_c_in_mid_run_tells_what_was_seen_until_then(chain: Chain) -> None:
    typed = installed(chain, "silent.example.test", "--only", "mx,nameservers")
    with chain.running("diagnose", typed) as process:
        until = time.monotonic() + 20
        while not {"dns_address", "evaluate"} <= set(process.output.split()):
            assert process.poll() is None, process.output
            assert time.monotonic() < until, process.output
            time.sleep(0.05)
        process.signal(signal.SIGINT)
        assert process.wait(20) == 3
    told = process.output
    assert "✓ Name servers" in told
    assert "? Receiving mail" in told
    assert "interrupted before its end" in told
    assert re.search(r"^\? silent\.example\.test: UNTESTABLE: interrupted", told, re.MULTILINE)
    assert "Traceback" not in told


# -- what was typed


def test_a_url_may_be_pasted(printed: Printed) -> None:
    code, out = printed["url"]
    assert code == 0
    first, manner, *_ = out.splitlines()
    assert first.startswith("✓ example.test: OK: ")
    assert "; a URL was given" in manner
    assert "The mail servers of example.test answer the handshake at 1 of 1 addresses" in out


def test_a_domain_may_be_typed_in_its_own_letters_and_with_its_final_dot(chain: Chain) -> None:
    out = chain.run(installed(chain, "MÜNCHEN.example.test.", "--only", "mx")).stdout
    first, manner, *_ = out.splitlines()
    assert first.startswith("✓ xn--mnchen-3ya.example.test: OK: ")
    assert manner.endswith("; asked for in A-labels: xn--mnchen-3ya.example.test")
    assert " of xn--mnchen-3ya.example.test answer the handshake at 1 of 1 addresses" in out


@pytest.mark.parametrize("typed", ["192.0.2.25", "example..test"])
def test_what_is_no_domain_is_refused_in_a_line(chain: Chain, typed: str) -> None:
    done = chain.run(installed(chain, typed), ok=(64,))
    assert done.stdout == ""
    assert done.stderr.startswith("mailcanary: ")
    assert done.stderr.count("\n") == 1
