"""Every kind that sends nothing, against the servers of the chain, and what others see of them."""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.integration.chain.kinds import Question, ask_all
from tests.servers.real import program

pytestmark = pytest.mark.timeout(120)

ZEN = "good.bl.test"
LISTS = (ZEN, "refusing.bl.test", "nobody.bl.test", "everybody.bl.test")
RECIPIENTS = {"postmaster": True, "catch_all": True, "open_relay": True}
BY_EXIM = "exim.example.test"
SENDER: dict[str, object] = {
    "domain": "sender.test",
    "mail_from": layout.SENDER,
    "ehlo_name": layout.OUT_HOST,
    "selectors": ["s1"],
    "block_lists": [],
}
LOG_IN = {"password": layout.PASSWORD}
OF_DOMAINS = ("mx", "policy", "sender", "nameservers")
BROKEN_NAME = f"broken.{layout.EXPIRED}"

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
    "sender": Question("sender", {**SENDER, "sending_ips": [layout.OUT[0]], "block_lists": [ZEN]}),
    "stranger": Question("sender", {**SENDER, "sending_ips": [layout.EXIM[0]]}),
    "listed": Question(
        "sender", {**SENDER, "sending_ips": [layout.CANARY], "block_lists": list(LISTS)}
    ),
    "pair": Question("nameservers", {"domain": "pair.test"}),
    "lame": Question("nameservers", {"domain": "lame.test"}),
    "udp": Question("nameservers", {"domain": "udp.test"}),
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
    "validating": Question("policy", {"domain": "example.test", "broken_name": BROKEN_NAME}),
    "insecure": Question("policy", {"domain": "pair.test", "broken_name": BROKEN_NAME}),
    "gullible": Question(
        "policy", {"domain": "example.test", "broken_name": BROKEN_NAME}, "gullible"
    ),
    "believed": Question(
        "policy", {"domain": layout.FORGED, "broken_name": BROKEN_NAME}, "gullible"
    ),
    **{
        f"{kind} {zone} {resolver}": Question(kind, {"domain": zone}, resolver)
        for kind in OF_DOMAINS
        for zone in layout.BROKEN_ZONES
        for resolver in ("", "curt")
    },
    **{f"{kind} dead": Question(kind, {"domain": "example.test"}, "dead") for kind in OF_DOMAINS},
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


def by_hand(chain: Chain, command: str, *arguments: str) -> Any:
    module = [sys.executable, "-m", "tests.integration.chain.by_hand"]
    done = chain.run([*module, command, str(chain.place.root), *arguments], within=45)
    return json.loads(done.stdout)


def findings(result: Any) -> list[Any]:
    """All but that the probes of these tests had to wait for each other."""
    everywhere = (*result["findings"], *(f for part in result["parts"] for f in part["findings"]))
    return [finding for finding in everywhere if finding["code"] != "monitor.waited"]


def codes(result: Any) -> list[str]:
    return sorted(finding["code"] for finding in findings(result))


def part_of(result: Any, host: str) -> Any:
    (part,) = (part for part in result["parts"] if part["host"] == host)
    return part


def asked(told: Any, name: str) -> Mapping[str, str]:
    facts = told[name][-1]["parts"][0]["facts"]
    return {key[5:]: value for key, value in facts.items() if key.startswith("rcpt.")}


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
    assert failure["owner"] == "their_mx"
    assert codes(result) == ["mx.host_special_address"]


# -- mx: recipients


def test_greylisting_is_told_at_rcpt_and_decides_nothing_until_it_is_over(told: Any) -> None:
    first, last = told["asked"]
    assert codes(first).count("smtp.greylisted") == codes(first).count("rcpt.undecided") == 2
    for finding in findings(first):
        if finding["code"] == "smtp.greylisted":
            assert finding["evidence"].startswith("rcpt: 450 4.2.0 ")
    facts = first["parts"][0]["facts"]
    assert facts["rcpt.recipient"] == facts["rcpt.postmaster"] == "undecided"
    assert codes(last) == ["mx.host_special_address"]
    assert asked(told, "asked") == {
        "recipient": "accepted",
        "postmaster": "accepted",
        "catch_all": "refused",
        "open_relay": "refused",
    }


def test_a_server_with_a_map_of_its_recipients_refuses_others(told: Any) -> None:
    assert asked(told, "asked_mx") == {"recipient": "refused"}
    (refused,) = (f for f in findings(told["asked_mx"][0]) if f["code"] == "rcpt.refused")
    assert "550 5.1.1 <no@example.test>" in refused["evidence"]


def test_a_relay_that_knows_no_recipients_is_a_catch_all_and_no_open_relay(told: Any) -> None:
    assert asked(told, "asked_exim") == {
        "recipient": "accepted",
        "postmaster": "accepted",
        "catch_all": "accepted",
        "open_relay": "refused",
    }
    assert codes(told["asked_exim"][0]) == ["mx.host_special_address", "rcpt.catch_all"]


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


# -- names that do not validate, and resolvers


@pytest.mark.parametrize("resolver", ["", "curt"])
@pytest.mark.parametrize("kind", OF_DOMAINS)
def test_signatures_that_are_over_are_told_by_every_kind_that_looks_names_up(
    told: Any, kind: str, resolver: str
) -> None:
    (result,) = told[f"{kind} {layout.EXPIRED} {resolver}"]
    assert result["failure"]["reason"] == "dnssec_bogus"
    assert result["failure"]["owner"] == "their_dns"
    said = json.dumps(result)
    assert ("validation is switched off" in said) is (resolver == "curt")
    assert bool(re.search(r"EDE [67] ", said)) is (resolver == "")
    expected = ["dmarc.lookup_failed", "spf.lookup_failed"]
    assert codes(result) == (expected if kind == "sender" else ["dnssec.bogus"])
    assert {finding["status"] for finding in findings(result)} == {"failure"}


@pytest.mark.parametrize("resolver", ["", "curt"])
def test_one_record_that_was_forged_is_told_by_those_that_need_it(told: Any, resolver: str) -> None:
    reasons = {
        kind: (told[f"{kind} {layout.FORGED} {resolver}"][0]["failure"] or {}).get("reason")
        for kind in OF_DOMAINS
    }
    assert reasons == {
        "mx": "dnssec_bogus",
        "policy": "dnssec_bogus",
        "sender": None,
        "nameservers": None,
    }


def test_a_resolver_is_proven_by_a_name_whose_signatures_are_broken(told: Any) -> None:
    (result,) = told["validating"]
    assert result["facts"]["dnssec.resolver_validates"] is True
    assert result["facts"]["dnssec.mx"] == "secure"
    assert result["facts"]["consequence.dane"] == "delivered_authenticated"
    assert codes(result) == ["sts.absent", "tlsrpt.absent"]


def test_an_unsigned_zone_is_insecure_and_not_bogus(told: Any) -> None:
    (result,) = told["insecure"]
    assert result["facts"]["dnssec.mx"] == "insecure"
    assert codes(result) == ["dnssec.insecure", "sts.absent", "tlsrpt.absent"]


def test_with_a_resolver_that_validates_nothing_dane_is_untestable(told: Any) -> None:
    (result,) = told["gullible"]
    assert result["facts"]["dnssec.resolver_validates"] is False
    assert result["facts"]["dnssec.mx"] == "untestable"
    assert result["facts"]["consequence.dane"] == "untestable"
    assert result["facts"]["consequence.opportunistic"] == "delivered_encrypted"
    assert codes(result) == ["dnssec.resolver_not_validating", "sts.absent", "tlsrpt.absent"]


def test_what_such_a_resolver_says_of_a_forged_record_is_believed_by_nobody_but_it(
    told: Any,
) -> None:
    (result,) = told["believed"]
    assert result["facts"]["mx.hosts"] == [layout.EXIM_HOST]
    assert result["facts"]["dnssec.mx"] == result["facts"]["consequence.dane"] == "untestable"


@pytest.mark.parametrize("kind", OF_DOMAINS)
def test_a_resolver_that_is_not_there_is_our_own_trouble(told: Any, kind: str) -> None:
    (result,) = told[f"{kind} dead"]
    assert result["failure"]["owner"] == "our_dns"
    assert {finding["status"] for finding in findings(result)} <= {"untestable"}


# -- sender


def test_what_the_receiver_said_of_a_real_message_is_what_the_records_promise(
    delivered: Mapping[str, str], told: Any
) -> None:
    (result,) = told["sender"]
    results = delivered["Authentication-Results"]
    assert result["ok"]
    assert codes(result) == ["dmarc.reports_missing"]
    spf = next(part["facts"] for part in result["parts"] if "spf.result" in part["facts"])
    assert f"spf={spf['spf.result']}" in results
    assert spf["spf.matched"] == f"ip4:{layout.OUT[0]}"
    dmarc = part_of(result, "_dmarc.sender.test")["facts"]
    assert f"dmarc=pass (policy={dmarc['dmarc.policy']})" in results
    key = part_of(result, "s1._domainkey.sender.test")["facts"]
    assert "dkim=pass header.d=sender.test header.s=s1" in results
    assert (key["dkim.key_type"], key["dkim.key_bits"]) == ("rsa", 2048)


def test_pyspf_comes_to_the_same_for_every_address(chain: Chain, told: Any) -> None:
    """With the chain's own resolver."""
    code = (
        "import spf, sys; "
        "[print(*spf.check2(i=ip, s=sys.argv[1], h=sys.argv[2])) for ip in sys.argv[3:]]"
    )
    ips = {"sender": layout.OUT[0], "stranger": layout.EXIM[0], "listed": layout.CANARY}
    said = chain.python(code, layout.SENDER, layout.OUT_HOST, *ips.values()).splitlines()
    ours = [
        part["facts"]["spf.result"]
        for name in ips
        for part in told[name][0]["parts"]
        if "spf.result" in part["facts"]
    ]
    assert ours == [line.split()[0] for line in said] == ["pass", "fail", "pass"]


def test_an_address_that_may_not_send_fails_the_run(told: Any) -> None:
    (result,) = told["stranger"]
    assert result["failure"]["reason"] == "authentication_failed"
    assert codes(result) == ["dmarc.reports_missing", "ehlo.elsewhere", "spf.not_authorised"]


def test_the_sending_address_leads_to_its_name_and_back(chain: Chain, told: Any) -> None:
    reverse = part_of(told["sender"][0], "10.2.0.192.in-addr.arpa")
    assert reverse["facts"]["rdns.confirmed"] == [layout.OUT_HOST]
    assert reverse["facts"]["ehlo_name"] == layout.OUT_HOST
    answer = chain.run(["dig", "+dnssec", "-x", layout.OUT[0]]).stdout
    assert re.search(r"flags: [a-z ]*\bad\b", answer)


def test_a_list_is_believed_only_where_its_test_entries_are_right(told: Any) -> None:
    (healthy,) = told["sender"]
    assert part_of(healthy, ZEN)["facts"] == {"dnsbl.health_v4": "ok", "dnsbl.listed": []}
    (result,) = told["listed"]
    assert result["failure"]["reason"] == "listed"
    assert result["failure"]["owner"] == "their_filter"
    (listed,) = (f for f in findings(result) if f["code"] == "dnsbl.listed")
    assert (listed["subject"], listed["evidence"]) == (
        layout.CANARY,
        f"{ZEN} says 127.0.0.4: it is the address of a canary",
    )
    health = {name: part_of(result, name)["facts"]["dnsbl.health_v4"] for name in LISTS}
    assert health[ZEN] == "ok"
    assert "refused" in health["refusing.bl.test"]
    assert "not listed" in health["nobody.bl.test"]
    assert "lists everything" in health["everybody.bl.test"]
    unhealthy = [f for f in findings(result) if f["code"] == "dnsbl.list_unhealthy"]
    assert [finding["status"] for finding in unhealthy] == ["untestable"] * 3


# -- name servers


def test_servers_with_different_copies_of_a_zone_are_told_apart(told: Any) -> None:
    (result,) = told["pair"]
    assert result["ok"]
    assert codes(result) == ["nameservers.answers_differ", "nameservers.serials_differ"]
    (differ,) = (f for f in findings(result) if f["code"] == "nameservers.answers_differ")
    assert differ["subject"] == "MX of pair.test"
    assert f"[{layout.DNS[0]}]: 10 {layout.MX_HOST}" in differ["evidence"]
    assert f"[{layout.SECOND_DNS[0]}]: 10 {layout.EXIM_HOST}" in differ["evidence"]
    serials = {part["address"]: part["facts"]["dns.serial"] for part in result["parts"]}
    assert serials == {layout.DNS[0]: 1, layout.SECOND_DNS[0]: 2}


def test_a_server_that_knows_nothing_of_the_zone_is_lame(told: Any) -> None:
    (result,) = told["lame"]
    assert result["ok"]
    assert codes(result) == ["nameservers.lame"]
    lame = part_of(result, "ns2.pair.test")
    assert lame["failure"]["reason"] == "refused"
    assert part_of(result, "ns1.pair.test")["failure"] is None


def test_a_server_that_is_not_heard_over_tcp_is_told(told: Any) -> None:
    (result,) = told["udp"]
    assert result["ok"]
    assert codes(result) == ["nameservers.tcp_failed"]
    (finding,) = findings(result)
    assert finding["subject"] == f"ns3.pair.test [{layout.UDP_DNS[0]}]"
    assert part_of(result, "ns3.pair.test")["failure"] is None


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
    assert result["failure"]["owner"] == "us"


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
