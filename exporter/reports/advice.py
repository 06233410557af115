"""Texts of the catalogue, filled in for a subject and for the address and name we asked from."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.reports.own_address import local_address
from probes.catalogue import filled
from probes.catalogue.subjects import subject_values
from probes.records.subject import Subject, is_address
from probes.result import Part, one_line

MAX_PLACES = 5
"""Addresses of a host for which a command is told."""

DIAGNOSE_OPTIONS: Mapping[str, str] = {
    "time_option": "`--timeout`",
    "resolver_option": "`--resolver`",
    "from_option": "`--from`",
    "helo_option": "`--helo`",
    "loopback_option": "`--allow-loopback`",
}
"""Names of the options that advice speaks of, at the command line of `diagnose`."""

JOB_OPTIONS: Mapping[str, str] = {
    "time_option": "`deadline` or `address_timeout` of the job",
    "resolver_option": "`resolvers` of the service",
    "from_option": "`mail_from` of the job",
    "helo_option": "`ehlo_name` of the job",
    "loopback_option": "`allow_loopback` of the service",
}
"""The same in the configuration of a job."""

PATH_OPTIONS: Mapping[str, str] = {
    "time_option": "`deadline` of the path",
    "resolver_option": "`resolvers` of the service",
    "from_option": "`mail_from` of the path",
    "helo_option": "`ehlo_name` of the route",
    "loopback_option": "`allow_loopback` of the service",
}
"""The same in the configuration of a path and its route."""

ANY_OPTIONS: Mapping[str, str] = {
    name: f"{option} ({JOB_OPTIONS[name]})" for name, option in DIAGNOSE_OPTIONS.items()
}
"""Both, for texts that are about no run."""

_UNKNOWN_KEY = "<SHA-256 of the server's public key>"
_OPERATORS = frozenset({"|", "</dev/null"})
_DEFAULT_PORT, _DNS_PORT = 25, 53
_OPTIONS = ("ehlo_name", "source_address", "port", "mail_from", "recipient", "sending_ips")


@dataclass(frozen=True, slots=True)
class Vantage:
    """Values shared by the texts of one report.

    `options` are those of the target, by the kinds' names for them. `parts` and `facts` are of the
    run (of the area) under report, `others` the parts of runs beside it. `server` is the one host
    of a route or a kind. `names` are the names of our own options where the report is read.
    """

    domain: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    ehlo_name: str = ""
    resolver: tuple[str, int] | None = None
    parts: tuple[Part, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[Part, ...] = ()
    job: str = ""
    server: str = ""
    names: Mapping[str, str] = field(default_factory=lambda: PATH_OPTIONS)

    def remedy(self, text: str, subject: Subject, part: Part | None = None) -> str:
        """Return the remedy for `subject`; `part` is the part that it was found in."""
        return filled(text, {**self._values(subject, part), "resolver": _named(self.resolver)})

    def commands(self, text: str, subject: Subject, part: Part | None = None) -> tuple[str, ...]:
        """Command lines to paste, one for each address where the subject has several."""
        lines: dict[str, None] = {}
        for line in text.splitlines():
            for place in self._places(line, subject, part):
                lines[_pasted(line, self._values(subject, place))] = None
        return tuple(lines)

    def _places(self, line: str, subject: Subject, part: Part | None) -> Iterator[Part | None]:
        """Yield the parts with an address to fill a line with, if it needs one."""
        said = subject_values(subject)
        if "{address}" not in line or "address" in said or (part and part.address):
            yield part
            return
        reached = [one for one in (*self.parts, *self.others) if one.address is not None]
        of_host = [one for one in reached if one.host == said.get("host")]
        asked = [one for one in self.parts if one.address is not None]
        known = sorted(of_host or asked, key=lambda one: (one.host, str(one.address)))
        yield from known[:MAX_PLACES] or (part,)

    def _values(self, subject: Subject, part: Part | None) -> Mapping[str, str]:
        said = subject_values(subject)
        values = {**self._defaults(), **_of_part(part), **said}
        if "address" in said and "host" not in said:
            values["host"] = said["address"]
        values.setdefault("address", self._address_of(values["host"]) or values["host"])
        served = self._served(values["host"], values["address"])
        port = values["port"]
        values.setdefault("name", values["domain"])
        values.setdefault("zone", str(self.facts.get("nameservers.zone") or values["name"]))
        values.setdefault("list", values["name"])
        values.setdefault("entry", values["name"])
        values.setdefault(
            "tlsa_name",
            str(served.get("dane.tlsa_name") or f"_{port}._tcp.{values['host']}"),
        )
        values["digest"] = str(next(iter(served.get("tls.key_sha256", ())), _UNKNOWN_KEY))
        values["mechanisms"] = self._mechanisms(values["address"], is_meant="address" in said)
        values["source_address"] = self._source(values["address"])
        return {name: one_line(value) for name, value in values.items() if value}

    def _defaults(self) -> dict[str, str]:
        options = {name: self.options.get(name) for name in _OPTIONS}
        domain = self.domain
        hosts = self.facts.get("mx.hosts") or [one.host for one in self.parts if one.address]
        first = str(next(iter(hosts), self.server or domain))
        return {
            **self.names,
            "domain": domain,
            "host": first,
            "mx_host": str(next(iter(hosts), f"mail.{domain}" if domain else "")),
            "port": str(options["port"] or _DEFAULT_PORT),
            "ehlo_name": str(options["ehlo_name"] or self.ehlo_name or domain),
            "resolver": _server(self.resolver),
            "recipient": str(options["recipient"] or f"postmaster@{domain}"),
            "mail_from": str(options["mail_from"] or "<>"),
            "rdtype": "MX",
            "job": self.job,
        }

    def _address_of(self, host: str) -> str | None:
        known = (one.address for one in (*self.parts, *self.others) if one.host == host)
        return next((address for address in known if address is not None), None)

    def _served(self, host: str, address: str) -> Mapping[str, Any]:
        """The facts of the handshakes with a host, those with the address itself first."""
        met = [one for one in (*self.parts, *self.others) if one.host == host]
        met.sort(key=lambda one: (one.address != address, "tls.key_sha256" not in one.facts))
        facts: dict[str, Any] = {}
        for one in met:
            facts = {**one.facts, **facts}
        return facts

    def _mechanisms(self, address: str, *, is_meant: bool) -> str:
        """Return the SPF mechanisms for our machines, as far as they are known."""
        sending = self.options.get("sending_ips") or ()
        ours = [address] if is_meant or address in sending else sending
        terms = [f"ip{6 if ':' in one else 4}:{one}" for one in ours if is_address(one)]
        return " ".join(terms) or "mx"

    def _source(self, address: str) -> str:
        chosen = self.options.get("source_address")
        targets = [address, self.resolver[0] if self.resolver else ""]
        target = next((one for one in targets if is_address(one)), None)
        return str(chosen or (local_address((target, _DEFAULT_PORT)) if target else ""))


def vantage_options(target: object) -> Mapping[str, Any]:
    """The options of a kind's or a route's target that texts leave open."""
    return {name: getattr(target, name, None) for name in _OPTIONS}


def _of_part(part: Part | None) -> dict[str, str]:
    if part is None:
        return {}
    return {"host": part.host} | ({"address": part.address} if part.address else {})


def _server(resolver: tuple[str, int] | None) -> str:
    """As it stands behind the @ of dig; "" where it is the system's."""
    if resolver is None:
        return ""
    address, port = resolver
    return address if port == _DNS_PORT else f"{address} -p {port}"


def _named(resolver: tuple[str, int] | None) -> str:
    """As it is called in a sentence."""
    if resolver is None:
        return "the system's"
    address, port = resolver
    return address if port == _DNS_PORT else f"{address} port {port}"


_IP_PORT = re.compile(r"(?<!\[)\{address\}:\{port\}")


def _pasted(line: str, values: Mapping[str, str]) -> str:
    """A command line in which every word is quoted that is more than a word to the shell."""
    if values.get("ehlo_name", "").startswith("["):
        line = line.replace("-o myhostname={ehlo_name} ", "")  # it may be no address literal
    if "resolver" not in values:
        line = line.replace("@{resolver} ", "")
    if ":" in values.get("address", ""):
        line = _IP_PORT.sub("[{address}]:{port}", line)
    if ":" in values.get("source_address", ""):
        line = line.replace("-bind {source_address}", "-bind [{source_address}]")
        line = line.replace("smtp_bind_address=", "smtp_bind_address6=")
    return " ".join(_word(word, values) for word in line.split())


def _word(word: str, values: Mapping[str, str]) -> str:
    text = filled(word, values)
    if word in _OPERATORS or "{resolver}" in word:  # the latter is written by us, with its `-p`
        return text
    return shlex.quote(text)
