"""Every fact a run can learn: its name, its type and its meaning.

A fact has a dotted name that is stable. Writing one that is not declared here is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FactType(StrEnum):
    """The types of facts, in the words of the documentation."""

    TEXT = "text"
    TEXTS = "list of texts"
    COUNT = "whole number"
    COUNTS = "list of whole numbers"
    SECONDS = "seconds"
    FLAG = "true or false"
    TIME = "time (ISO 8601)"


_PYTHON: Mapping[FactType, tuple[type, ...]] = {
    FactType.TEXT: (str,),
    FactType.TEXTS: (str,),
    FactType.COUNT: (int,),
    FactType.COUNTS: (int,),
    FactType.SECONDS: (int, float),
    FactType.FLAG: (bool,),
    FactType.TIME: (str,),
}
_LISTS = (FactType.TEXTS, FactType.COUNTS)


@dataclass(frozen=True, slots=True)
class Fact:
    """One declared fact; `is_optional` is set where its value can be null."""

    name: str
    type: FactType
    meaning: str
    is_optional: bool = False

    def holds(self, value: object) -> bool:
        """True if `value` is of the declared type."""
        if value is None:
            return self.is_optional
        if self.type in _LISTS:
            return isinstance(value, tuple) and all(map(self._is_one, value))
        return self._is_one(value)

    def _is_one(self, value: object) -> bool:
        is_flag = isinstance(value, bool)
        return isinstance(value, _PYTHON[self.type]) and is_flag is (self.type is FactType.FLAG)


_TEXT, _TEXTS, _COUNT, _COUNTS = FactType.TEXT, FactType.TEXTS, FactType.COUNT, FactType.COUNTS
_SECONDS, _FLAG, _TIME = FactType.SECONDS, FactType.FLAG, FactType.TIME
_SENDERS = {
    "opportunistic": "a sender that takes what TLS it gets",
    "mta_sts": "a sender that honours MTA-STS",
    "dane": "a sender that honours DANE",
    "requiretls": "a sender that was told REQUIRETLS",
}
_QUESTIONS = {
    "recipient": "the recipient of the options",
    "postmaster": "postmaster at the domain",
    "catch_all": "a recipient that cannot exist",
    "open_relay": "a recipient at another domain",
}

AREAS: Mapping[str, tuple[Fact, ...]] = {
    "Hosts and addresses": (
        Fact("address", _TEXT, "The address of the server that was talked to."),
        Fact("mx.host", _TEXT, "The MX host that was talked to."),
        Fact("mx.hosts", _TEXTS, "The MX hosts of the domain, in the order of the answer."),
        Fact("mx.implicit", _FLAG, "Whether the domain itself is the host: it has no MX record."),
        Fact("mx.preference", _COUNT, "The preference of the host's MX record."),
        Fact("dns.authenticated", _FLAG, "Whether the resolver says that the MX records validate."),
    ),
    "Name servers": (
        Fact("nameservers.zone", _TEXT, "The zone the domain is in."),
        Fact("nameservers.names", _TEXTS, "The names of the zone's servers, sorted."),
        Fact("dns.udp_seconds", _SECONDS, "The time of an answer over UDP."),
        Fact("dns.tcp_seconds", _SECONDS, "The time of an answer over TCP."),
        Fact("dns.serial", _COUNT, "The serial number of the zone at this server.", True),
    ),
    "SMTP": (
        Fact("smtp.greeting", _TEXT, "The text of the greeting."),
        Fact("smtp.reply", _TEXT, "The reply to the end of the message."),
        Fact("smtp.dsn", _FLAG, "Whether the server took our request for delivery reports."),
        Fact("starttls.offered", _FLAG, "Whether STARTTLS was offered before TLS."),
        Fact("ehlo.name", _TEXT, "The server's name in its last answer to EHLO."),
        Fact("ehlo.extensions", _TEXTS, "The keywords of its last answer to EHLO."),
        Fact("ehlo.size_limit", _COUNT, "The octets of a message that it takes.", True),
        Fact("ehlo.limits", _TEXTS, "The limits that it tells, RFC 9422."),
        Fact("ehlo.auth_mechanisms", _TEXTS, "The mechanisms that it offers for AUTH."),
        Fact("ehlo.clear_name", _TEXT, "The server's name in its answer before TLS."),
        Fact("ehlo.clear_extensions", _TEXTS, "The keywords of its answer before TLS."),
        *(
            fact
            for question, recipient in _QUESTIONS.items()
            for fact in (
                Fact(f"rcpt.{question}", _TEXT, f"The server's answer about {recipient}."),
                Fact(f"rcpt.{question}.asked", _TEXT, f"The address that stood for {recipient}."),
                Fact(f"rcpt.{question}.said", _TEXT, f"The reply that decided about {recipient}."),
            )
        ),
    ),
    "Handing over": (
        Fact("handover.host", _TEXT, "The host that the content of the message was given to."),
        Fact("handover.party", _TEXT, "The owner of that host: `relay` or `receiver_mx`."),
        Fact("handover.queue_id", _TEXT, "The name of the message at that host, from its reply."),
        Fact("handover.commands", _TEXTS, "Commands to look the message up at that host."),
    ),
    "TLS and certificates": (
        Fact("tls.version", _TEXT, "The version of TLS in use."),
        Fact("tls.cipher", _TEXT, "The cipher in use."),
        Fact("tls.server_name", _TEXT, "The name that was asked for and is looked for."),
        Fact("tls.weaknesses", _TEXTS, "What is weak about the session: version, cipher, group."),
        Fact("tls.trusted", _FLAG, "Whether the chain, the time and the name all hold."),
        Fact("tls.untrusted_reason", _TEXT, "The reason not to trust the certificate.", True),
        Fact("tls.certificate_sha256", _TEXT, "The SHA-256 of the server's certificate.", True),
        Fact("tls.certificate_not_before", _TIME, "The time from which it is valid.", True),
        Fact("tls.certificate_not_after", _TIME, "The time until which it is valid.", True),
        Fact("tls.names", _TEXTS, "The DNS names and addresses in it."),
        Fact("tls.issuer", _TEXT, "The distinguished name of its issuer."),
        Fact("tls.chain", _TEXTS, "The subjects of the chain as served, leaf first."),
        Fact("tls.keys", _TEXTS, "The keys of the chain, as `RSA 2048`."),
        Fact("tls.signatures", _TEXTS, "The signature algorithms of the chain."),
        Fact("tls.sha256", _TEXTS, "The SHA-256 of each certificate of the chain."),
        Fact("tls.key_sha256", _TEXTS, "The SHA-256 of each public key of the chain."),
        Fact("tls.days_left", _COUNTS, "The days until each certificate of the chain ends."),
    ),
    "Transport policy": (
        Fact("dnssec.mx", _TEXT, "The state of the MX records under DNSSEC."),
        Fact("dnssec.tlsa", _TEXT, "The state of the TLSA records under DNSSEC."),
        Fact("dnssec.resolver_validates", _FLAG, "Whether our resolver validates.", True),
        Fact("dane.state", _TEXT, "The outcome of the TLSA records for this address."),
        Fact("dane.tlsa_name", _TEXT, "The name at which the TLSA records were looked up."),
        Fact("dane.tlsa", _TEXTS, "The TLSA records of the host."),
        Fact("sts.id", _TEXT, "The id of the MTA-STS record."),
        Fact("sts.mode", _TEXT, "The mode of the MTA-STS policy."),
        Fact("sts.max_age", _SECONDS, "The time for which senders may keep the policy."),
        Fact("sts.mx", _TEXTS, "The host patterns of the policy."),
        Fact("sts.lookup_seconds", _SECONDS, "The time of the look-up of the MTA-STS record."),
        Fact("tlsrpt.rua", _TEXTS, "The addresses that TLS reports go to."),
        Fact("tlsrpt.lookup_seconds", _SECONDS, "The time of the look-up of the TLS-RPT record."),
        Fact("https.status", _COUNT, "The status of the answer over HTTPS."),
        Fact("https.octets", _COUNT, "The octets of its body; only in the self-test."),
        Fact("https.is_whole", _FLAG, "Whether its body was read whole; only in the self-test."),
        *(
            fact
            for sender, words in _SENDERS.items()
            for fact in (
                Fact(f"consequence.{sender}", _TEXT, f"The outcome for mail of {words}."),
                Fact(f"consequence.{sender}.why", _TEXT, "The reason for it, and the section."),
            )
        ),
    ),
    "Sender policy and reputation": (
        Fact("sender.examined", _TEXTS, "The aspects that were looked at."),
        Fact("spf.record", _TEXT, "The SPF record of the domain."),
        Fact("spf.records", _COUNT, "The number of its SPF records."),
        Fact("spf.worst_case_lookups", _COUNT, "The most look-ups an evaluation can need."),
        Fact("spf.worst_case_void_lookups", _COUNT, "The most look-ups that can find nothing."),
        Fact("spf.policies", _TEXTS, "The domains whose policies were read."),
        Fact("spf.result", _TEXT, "The result for the sending address."),
        Fact("spf.matched", _TEXT, "The term that decided.", True),
        Fact("spf.path", _TEXTS, "The terms that lead to it."),
        Fact("spf.lookups", _COUNT, "The look-ups of this evaluation that count."),
        Fact("spf.void_lookups", _COUNT, "The look-ups of it that found nothing."),
        Fact("spf.explanation", _TEXT, "The domain's explanation of a fail.", True),
        Fact("spf.problem", _TEXT, "The error of an evaluation that came to none.", True),
        Fact("spf.tree", _TEXTS, "The evaluation step by step, indented."),
        Fact("spf.helo_result", _TEXT, "The result for the EHLO name."),
        Fact("dkim.selector_is_learnt", _FLAG, "Whether the selector was learnt from canaries."),
        Fact("dkim.selector_last_seen", _TIME, "The sending time of its newest canary."),
        Fact("dkim.key_type", _TEXT, "The type of the key."),
        Fact("dkim.key_bits", _COUNT, "The length of the key."),
        Fact("dkim.flags", _TEXTS, "The flags of the key record."),
        Fact("dmarc.organisational_domain", _TEXT, "The organisational domain.", True),
        Fact("dmarc.asked", _TEXTS, "The names that were asked for a record."),
        Fact("dmarc.found_at", _TEXT, "The domain whose record holds.", True),
        Fact("dmarc.policy", _TEXT, "The policy that holds.", True),
        Fact("dmarc.record", _TEXT, "The record that holds.", True),
        Fact("rdns.names", _TEXTS, "The names of the sending address."),
        Fact("rdns.confirmed", _TEXTS, "The names that lead back to the address."),
        Fact("ehlo_name", _TEXT, "The EHLO name of the sending machine."),
        Fact("dnsbl.health_v4", _TEXT, "`ok`, or the fault of the list for IPv4."),
        Fact("dnsbl.health_v6", _TEXT, "`ok`, or the fault of the list for IPv6."),
        Fact("dnsbl.listed", _TEXTS, "The sending addresses on the list."),
        Fact("rhsbl.health", _TEXT, "`ok`, or the fault of the list of domains."),
        Fact("rhsbl.listed", _TEXTS, "The domains on the list."),
    ),
    "Mailboxes": (
        Fact("imap.capabilities", _TEXTS, "The capabilities of the server after the login."),
        Fact("mailbox.messages", _COUNT, "The messages in the folder."),
        Fact("mailbox.messages_today", _COUNT, "The messages in it that came today."),
        Fact("mailbox.quota_storage", _COUNTS, "The KiB in use and the limit."),
        Fact("mailbox.quota_message", _COUNTS, "The messages in use and the limit."),
    ),
    "Ledger": (
        Fact("ledger.shortened", _FLAG, "Whether the result was too large to be kept whole."),
    ),
}
"""The facts by area, in the order of the documentation."""

DECLARED: Mapping[str, Fact] = {fact.name: fact for facts in AREAS.values() for fact in facts}
"""Every fact by its name."""


class UndeclaredFact(LookupError):
    """Raised where a fact is written that is not declared."""


class FactSheet(dict[str, Any]):
    """The facts of one run or part, by name; takes declared facts only."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in DECLARED:
            raise UndeclaredFact(f"the fact {name!r} is not declared in probes/catalogue/facts.py")
        super().__setitem__(name, value)

    def note(self, facts: Mapping[str, Any]) -> None:
        """Write all of `facts`."""
        for name, value in facts.items():
            self[name] = value
