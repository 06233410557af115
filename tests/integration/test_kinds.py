"""The kinds that talk to servers, against those of the chain, and what others see of them."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.chain import layout
from tests.integration.chain.by_hand import by_hand
from tests.integration.chain.chain import Chain
from tests.integration.chain.kinds import Question, ask_all, codes, findings, part_of
from tests.servers.real import program

pytestmark = pytest.mark.timeout(120)

RECIPIENTS = {"postmaster": True, "catch_all": True, "open_relay": True}
BY_EXIM = "exim.example.test"
LOG_IN = {"password": layout.PASSWORD}

QUESTIONS = {
    "postfix": Question("mx", {"domain": "example.test"}),
    "exim": Question("mx", {"domain": BY_EXIM}),
    "dead": Question("mx", {"domain": "dead.example.test"}),
    "asked_exim": Question("mx", {"domain": BY_EXIM, "recipient": f"a@{BY_EXIM}", **RECIPIENTS}),
    "asked_mx": Question("mx", {"domain": "example.test", "recipient": "no@example.test"}),
    "asked": Question(
        "mx",
        {
            "domain": "sender.test",
            "mail_from": "somebody@sender.test",
            "recipient": "canary+asked@sender.test",
            **RECIPIENTS,
        },
        is_patient=True,
    ),
    "mailbox": Question(
        "mailbox", {**LOG_IN, "host": layout.IMAP_HOST, "username": layout.RECIPIENT}
    ),
    "mailbox_starttls": Question(
        "mailbox",
        {
            **LOG_IN,
            "host": layout.IMAP_HOST,
            "username": layout.RECIPIENT,
            "port": 143,
            "tls": "starttls",
        },
    ),
    "wrong_password": Question(
        "mailbox",
        {"host": layout.IMAP_HOST, "username": layout.RECIPIENT, "password": "wrong"},
    ),
    "submission": Question(
        "submission", {**LOG_IN, "host": layout.OUT_HOST, "username": layout.SENDER}
    ),
}


@pytest.fixture(scope="module")
def delivered(chain: Chain) -> Mapping[str, str]:
    """The header of a message that went the whole way before anybody was asked anything."""
    message_id = by_hand(chain, "submit", layout.RECIPIENT, "Here before the probes.")
    found = by_hand(chain, "find", layout.RECIPIENT, "Message-ID", message_id)
    return dict(found["headers"])


@pytest.fixture(scope="module")
def before(chain: Chain, delivered: Mapping[str, str]) -> Any:
    """The flags of the mailbox before it was probed, and how much the servers had logged."""
    assert delivered
    logged = {name: len(chain.log(name)) for name in ("mx", "exim", "out")}
    return {"flags": by_hand(chain, "flags", layout.RECIPIENT), "logged": logged}


@pytest.fixture(scope="module")
def told(chain: Chain, before: Any) -> Any:
    """The results of all questions."""
    assert before
    return ask_all(chain, QUESTIONS)


def asked(told: Any, name: str) -> Mapping[str, str]:
    """The answers; our EHLO name is below sender.test, so that nobody is asked to relay."""
    facts = told[name][-1]["parts"][0]["facts"]
    answers = {key[5:]: value for key, value in facts.items() if key.startswith("rcpt.")}
    return {key: value for key, value in answers.items() if not key.endswith((".asked", ".said"))}


# -- mx: Postfix and Exim


SERVERS = {
    "postfix": (layout.MX_HOST, layout.MX[0], "mx.example.test ESMTP Postfix"),
    "exim": (layout.EXIM_HOST, layout.EXIM[0], "relay.sender.test ESMTP Exim"),
}
each_server = pytest.mark.parametrize("server", SERVERS)


@each_server
def test_a_healthy_host_has_no_finding_but_its_documentation_address(
    told: Any, server: str
) -> None:
    (result,) = told[server]
    assert result["ok"]
    assert codes(result) == ["mx.host_special_address"]
    assert [finding["status"] for finding in findings(result)] == ["notice"]
    assert part_of(result, SERVERS[server][0])["address"] == SERVERS[server][1]


@each_server
def test_its_capabilities_are_those_it_shows_to_another_client(
    chain: Chain, told: Any, server: str
) -> None:
    host, _, greeting = SERVERS[server]
    facts = part_of(told[server][0], host)["facts"]
    seen = by_hand(chain, "ehlo", host)
    assert facts["smtp.greeting"].startswith(greeting)
    for fact, when in (("ehlo.clear_extensions", "clear"), ("ehlo.extensions", "tls")):
        assert {word.lower() for word in facts[fact]} == set(seen[when]), when
    assert "STARTTLS" in facts["ehlo.clear_extensions"]
    assert "STARTTLS" not in facts["ehlo.extensions"]
    assert facts["ehlo.size_limit"] == int(seen["tls"]["size"])
    assert {"PIPELINING", "SIZE", "8BITMIME", "CHUNKING"} <= set(facts["ehlo.extensions"])
    assert ("DSN" in facts["ehlo.extensions"]) is (server == "postfix")
    assert facts["ehlo.name"] == facts["ehlo.clear_name"] == host
    assert facts["tls.version"] == seen["version"]


@each_server
def test_its_certificate_is_the_one_that_openssl_and_postfix_see(
    chain: Chain, told: Any, server: str
) -> None:
    host, address, _ = SERVERS[server]
    facts = part_of(told[server][0], host)["facts"]
    s_client = (
        f"openssl s_client -starttls smtp -connect {address}:25 -servername {host} "
        f"-verify_hostname {host} -CAfile {chain.place.ca_file} </dev/null"
    )
    x509 = "openssl x509 -noout -fingerprint -sha256 -issuer -nameopt RFC2253 -ext subjectAltName"
    session = chain.run(["sh", "-c", s_client]).stdout
    leaf = chain.run(["sh", "-c", f"{s_client} 2>&1 | {x509}"]).stdout
    assert re.search(rf"New, {facts['tls.version']}, Cipher is {facts['tls.cipher']}", session)
    assert ("Verification: OK" in session) is facts["tls.trusted"] is True
    assert f"Fingerprint={in_pairs(facts['tls.certificate_sha256'])}" in leaf
    assert f"issuer={facts['tls.issuer']}\n" in leaf
    assert facts["tls.names"] == re.findall(r"DNS:(\S+)", leaf) == [host]
    finger = [program("posttls-finger"), "-c", "-l", "may", "-d", "sha256"]
    trust = ["-F", str(chain.place.ca_file), f"[{host}]:25"]
    environment = ["env", f"MAIL_CONFIG={chain.place.postfix('out')}"]
    seen = chain.run([*environment, *finger, *trust]).stdout
    assert f" fingerprint={in_pairs(facts['tls.certificate_sha256'])}," in seen
    assert f"Trusted TLS connection established to {host}[{address}]:25" in seen
    assert f"{facts['tls.version']} with cipher {facts['tls.cipher']}" in seen


def in_pairs(digest: str) -> str:
    return ":".join(re.findall("..", digest.upper()))


def test_a_host_at_which_nobody_listens_refuses_the_connection(told: Any) -> None:
    (result,) = told["dead"]
    failure = result["failure"]
    assert (failure["phase"], failure["reason"]) == ("connect", "connection_refused")
    assert failure["owner"] == "receiver_mx"
    assert codes(result) == ["mx.host_special_address"]


# -- mx: recipients


def test_greylisting_is_told_at_rcpt_and_decides_nothing_until_it_is_over(told: Any) -> None:
    first, last = told["asked"]
    assert codes(first).count("smtp.greylisted") == codes(first).count("rcpt.undecided") == 2
    for finding in findings(first):
        if finding["code"] == "smtp.greylisted":
            assert finding["evidence"].startswith("rcpt: 450 4.2.0 ")
    facts = first["parts"][0]["facts"]
    assert facts["rcpt.recipient"] == facts["rcpt.postmaster"] == "greylisted"
    assert sorted(codes(last)) == [
        "mx.host_special_address",
        *("rcpt.accepted", "rcpt.not_asked", "rcpt.postmaster_accepted", "rcpt.unknown_refused"),
    ]
    assert asked(told, "asked") == {
        "recipient": "accepted",
        "postmaster": "accepted",
        "catch_all": "refused",
        "open_relay": "undecided",
    }


def test_a_server_with_a_map_of_its_recipients_refuses_others(told: Any) -> None:
    assert asked(told, "asked_mx") == {"recipient": "refused"}
    (refused,) = (f for f in findings(told["asked_mx"][0]) if f["code"] == "rcpt.refused")
    assert "550 5.1.1 <no@example.test>" in refused["evidence"]


def test_a_relay_that_knows_no_recipients_is_a_catch_all(told: Any) -> None:
    assert asked(told, "asked_exim") == {
        "recipient": "accepted",
        "postmaster": "accepted",
        "catch_all": "accepted",
        "open_relay": "undecided",
    }
    assert sorted(codes(told["asked_exim"][0])) == [
        "mx.host_special_address",
        *("rcpt.accepted", "rcpt.catch_all", "rcpt.not_asked", "rcpt.postmaster_accepted"),
    ]


def test_nothing_was_sent_by_asking(chain: Chain, before: Any, told: Any) -> None:
    """By the logs of the servers: no message, no DATA, and every transaction taken back."""
    assert told
    written = {name: chain.log(name)[size:] for name, size in before["logged"].items()}
    sessions = re.findall(rf"disconnect from \S+\[{layout.CANARY}\] (.*)", written["mx"])
    transactions = [line for line in sessions if " mail=" in line]
    assert transactions
    assert all(" rset=1 quit=1 " in line for line in transactions)
    assert not [line for line in sessions if " data=" in line or " bdat=" in line]
    opened = re.findall(rf": (\w+): client=\S+\[{layout.CANARY}\]", written["mx"])
    assert opened  # a recipient was taken, and the transaction was taken back before DATA
    for queue_id in opened:
        assert set(re.findall(rf"/(\w+)\[\d+\]: {queue_id}: ", written["mx"])) == {"smtpd"}
    assert f"client={layout.CANARY_HOST}" not in written["out"]
    assert not re.search(rf" <= .*\[{layout.CANARY}\]", written["exim"])


# -- mailbox and submission


@pytest.mark.parametrize("name", ["mailbox", "mailbox_starttls"])
def test_a_mailbox_is_timed_step_by_step(before: Any, told: Any, name: str) -> None:
    (result,) = told[name]
    assert result["ok"]
    assert codes(result) == []
    tls = ["tls", "greeting"] if name == "mailbox" else ["greeting", "starttls", "tls"]
    assert [timing["phase"] for timing in result["timings"]] == [
        *("dns_address", "connect", *tls, "auth", "select", "search", "quit")
    ]
    facts = result["facts"]
    assert facts["mailbox.messages"] == len(before["flags"]["INBOX"]) >= 1
    assert facts["mailbox.messages_today"] >= 1
    assert facts["tls.trusted"]
    used, limit = facts["mailbox.quota_storage"]
    assert (limit, facts["mailbox.quota_message"][1]) == (1024 * 1024, 100_000)
    assert 0 < used < limit


def test_a_mailbox_that_was_probed_has_the_flags_it_had(
    chain: Chain, before: Any, told: Any
) -> None:
    assert told["mailbox"][0]["ok"]
    assert any("\\Recent" in line or "\\Seen" not in line for line in before["flags"]["INBOX"])
    assert by_hand(chain, "flags", layout.RECIPIENT) == before["flags"]


def test_a_wrong_password_is_our_own_trouble(told: Any) -> None:
    (result,) = told["wrong_password"]
    assert result["failure"]["phase"] == "auth"
    assert result["failure"]["reason"] == "authentication_failed"
    assert result["failure"]["owner"] == "configuration"


def test_a_submission_server_is_timed_up_to_the_login(told: Any) -> None:
    (result,) = told["submission"]
    assert result["ok"]
    assert codes(result) == []
    assert [timing["phase"] for timing in result["timings"]] == [
        *("dns_address", "connect", "greeting", "ehlo", "starttls", "tls", "ehlo", "auth", "quit")
    ]
    facts = result["facts"]
    assert facts["ehlo.auth_mechanisms"] == ["PLAIN", "LOGIN"]
    assert (facts["tls.trusted"], facts["tls.names"]) == (True, [layout.OUT_HOST])
