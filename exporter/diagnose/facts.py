"""The facts of a diagnosis, good or bad, in a line or two for each host, record and server."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exporter.diagnose.diagnosis import Diagnosis
from exporter.reports.wording import milliseconds
from probes.mx.recipients import Question
from probes.result import Part, one_line

MAX_ROWS = 40
"""Rows of one area that are shown."""

_LISTED = 5
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was seen, and its facts."""

    what: str
    told: str


def seen(diagnosis: Diagnosis) -> Iterator[tuple[str, tuple[Seen, ...]]]:
    """Every area that saw something, by its title."""
    chains = _chains(diagnosis)
    for one in diagnosis.areas:
        facts, parts = one.result.facts, one.result.parts
        rows = [*_of_run(facts, parts)]
        for part in parts:
            known = {**chains.get((part.host, part.address), {}), **part.facts}
            seen = _of_part(known, one.area.shows, diagnosis)
            rows += [Seen(str(part.subject), text) for text in seen]
        told = [Seen(one_line(row.what), one_line(row.told)) for row in rows if row.told]
        if told:
            yield one.area.title, tuple(told[:MAX_ROWS])


def _chains(diagnosis: Diagnosis) -> Mapping[tuple[str, str | None], Mapping[str, Any]]:
    """Facts about an address from the area that reads whole chains, for the area that does not."""
    return {
        (part.host, part.address): {"tls.chain": part.facts["tls.chain"]}
        for one in diagnosis.areas
        for part in one.result.parts
        if "tls.chain" in part.facts
    }


def _of_run(facts: Mapping[str, Any], parts: tuple[Part, ...]) -> Iterator[Seen]:
    if "mx.hosts" in facts and "dnssec.mx" not in facts:
        preferences = {part.host: part.facts.get("mx.preference") for part in parts}
        hosts = (f"{preferences.get(host, '')} {host}".strip() for host in facts["mx.hosts"])
        signed = "signed" if facts.get("dns.authenticated") else "not known to be signed"
        yield Seen("MX", f"{', '.join(hosts)} ({signed})")
    for what, text in _RUN_FACTS.items():
        yield Seen(what, text(facts))


def _dnssec(facts: Mapping[str, Any]) -> str:
    if "dnssec.mx" not in facts:
        return ""
    does = "validates" if facts.get("dnssec.resolver_validates") else "does not validate"
    return f"MX records {facts['dnssec.mx']}, our resolver {does}"


def _sts(facts: Mapping[str, Any]) -> str:
    if "sts.id" not in facts:
        return ""
    told = f"id {facts['sts.id']}"
    if "sts.mode" in facts:
        days = facts["sts.max_age"] / _DAY
        told += f", mode {facts['sts.mode']}, max_age {facts['sts.max_age']} ({days:.0f} days)"
        told += f", mx {_some(facts['sts.mx'])}"
    return told


_RUN_FACTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "DNSSEC": _dnssec,
    "MTA-STS": _sts,
    "TLS-RPT": lambda facts: _some(facts.get("tlsrpt.rua", ())),
    "Zone": lambda facts: str(facts.get("nameservers.zone", "")),
}


def _of_part(
    facts: Mapping[str, Any], families: tuple[str, ...], diagnosis: Diagnosis
) -> Iterator[str]:
    """The facts of these families, in their order."""
    for family in families:
        if family == "tls":
            yield _tls(facts, diagnosis.started_at)
        for tell in _OF_FAMILY.get(family, ()):
            yield tell(facts)


def _tls(facts: Mapping[str, Any], now: datetime) -> str:
    if facts.get("tls.version") is None:
        return "in clear, no STARTTLS" if facts.get("starttls.offered") is False else ""
    told = [str(facts["tls.version"]), str(facts.get("tls.cipher") or "")]
    if facts.get("tls.issuer"):
        told.append(f"certificate of {facts['tls.issuer']}")
    ends = facts.get("tls.certificate_not_after")
    if ends is not None:
        left = datetime.fromisoformat(ends) - now
        days = abs(int(left / timedelta(days=1)))
        count = f"{days} day{'' if days == 1 else 's'}"
        told.append(f"{count} left" if left > timedelta(0) else f"ended {count} ago")
    if "tls.chain" in facts:
        told.append(f"chain of {len(facts['tls.chain'])}")
    told.append("trusted" if facts.get("tls.trusted") else str(facts.get("tls.untrusted_reason")))
    return ", ".join(filter(None, told))


def _offer(facts: Mapping[str, Any]) -> str:
    if "ehlo.extensions" not in facts:
        return ""
    size = facts.get("ehlo.size_limit")
    words = (f"SIZE {size}" if w == "SIZE" and size else w for w in facts["ehlo.extensions"])
    return f"{facts.get('ehlo.name')}: {', '.join(words) or 'no extensions'}"


def _recipients(facts: Mapping[str, Any]) -> str:
    answers = ((facts.get(f"rcpt.{one}.asked"), facts.get(f"rcpt.{one}")) for one in Question)
    return ", ".join(f"{asked} {answer}" for asked, answer in answers if asked and answer)


def _tlsa(facts: Mapping[str, Any]) -> str:
    if "dane.state" not in facts:
        return ""
    records = facts.get("dane.tlsa", ())
    shown = ", ".join(f"{record[:20]}…" if len(record) > 20 else record for record in records[:4])
    return f"DANE {facts['dane.state']}, TLSA {facts.get('dnssec.tlsa')}" + (
        f": {shown}" if shown else ""
    )


def _server(facts: Mapping[str, Any]) -> str:
    if "dns.serial" not in facts:
        return ""
    udp, tcp = (facts.get(f"dns.{way}_seconds") for way in ("udp", "tcp"))
    times = ", ".join(
        f"{way} {milliseconds(seconds)}"
        for way, seconds in (("UDP", udp), ("TCP", tcp))
        if seconds is not None
    )
    return f"serial {facts['dns.serial']}, {times}"


def _spf_record(facts: Mapping[str, Any]) -> str:
    if "spf.record" not in facts:
        return ""
    told = f"SPF {facts['spf.record']}"
    worst = facts.get("spf.worst_case_lookups")
    return told if worst is None else f"{told} (at worst {worst} of 10 look-ups)"


def _spf_result(facts: Mapping[str, Any]) -> str:
    if "spf.result" not in facts:
        return ""
    told = f"SPF {facts['spf.result']}"
    if facts.get("spf.matched"):
        told += f" by {facts['spf.matched']}"
    count = facts.get("spf.lookups")
    told += f", {count} look-up{'' if count == 1 else 's'}, {facts.get('spf.void_lookups')} void"
    if facts.get("spf.explanation"):
        told += f", explained: {facts['spf.explanation']}"
    return told


def _dkim(facts: Mapping[str, Any]) -> str:
    if "dkim.key_type" not in facts:
        return ""
    bits = facts.get("dkim.key_bits")
    return f"DKIM key {facts['dkim.key_type']}" + ("" if bits is None else f", {bits} bits")


def _dmarc(facts: Mapping[str, Any]) -> str:
    if not facts.get("dmarc.record"):
        return ""
    return f"DMARC {facts['dmarc.policy']} by {facts['dmarc.record']}"


def _names(facts: Mapping[str, Any]) -> str:
    if "rdns.names" not in facts:
        return ""
    confirmed = facts.get("rdns.confirmed")
    led_back = "" if confirmed is None else f", {len(confirmed)} confirmed"
    return f"name {_some(facts['rdns.names']) or 'none'}{led_back}"


def _list(facts: Mapping[str, Any]) -> str:
    for kind in ("dnsbl", "rhsbl"):
        if f"{kind}.listed" in facts:
            health = [
                str(fact) for name, fact in facts.items() if name.startswith(f"{kind}.health")
            ]
            listed = _some(facts[f"{kind}.listed"])
            sick = _some(dict.fromkeys(fact for fact in health if fact != "ok"))
            said = f"listed: {listed}" if listed else "" if sick else "not listed"
            return "; ".join(filter(None, (said, sick and f"says nothing: {sick}")))
    return ""


_OF_FAMILY: Mapping[str, tuple[Callable[[Mapping[str, Any]], str], ...]] = {
    "ehlo": (_offer,),
    "rcpt": (_recipients,),
    "dane": (_tlsa,),
    "dns": (_server,),
    "spf": (_spf_record, _spf_result),
    "dkim": (_dkim,),
    "dmarc": (_dmarc,),
    "rdns": (_names,),
    "dnsbl": (_list,),
}
"""How the facts of a family (the word before the dot) are told."""


def _some(values: Any) -> str:
    words = [str(value) for value in values]
    return ", ".join(words[:_LISTED]) + (", …" if len(words) > _LISTED else "")
