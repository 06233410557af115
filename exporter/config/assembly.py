"""From the tree of the file to the finished Config; every mistake on the way is reported."""

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path as FileSystemPath
from typing import Any

from exporter.config.checks import (
    Mistake,
    message_mistakes,
    path_mistakes,
    service_mistakes,
    target_mistakes,
    target_warnings,
)
from exporter.config.entries import Shapes, read_entry
from exporter.config.keys import (
    NAME_PATTERN,
    SECTIONS,
    DoorKeys,
    JobKeys,
    PathKeys,
    ServiceKeys,
    Tables,
)
from exporter.config.option_types import EhloName
from exporter.config.problems import ConfigError, Refusal, Report, Where, suggestion
from exporter.config.state_directory import default_file, is_given
from exporter.config.values import Reading, read_ehlo_name
from exporter.config.yaml_reader import Node, line_of, read_yaml
from exporter.model import Config, Job, Mailbox, Path, Route, ServiceOptions
from probes.canary.message import MessageOptions
from probes.options import Host

NameOfMachine = Callable[[], str]
"""How this machine is called; asked only where nobody says how to introduce ourselves."""

_NAME = re.compile(NAME_PATTERN)
_NAME_RULE = "lower-case letters, digits, - and _, at most 63, the first a letter or a digit"


@cache
def machine_name() -> str:
    """The fully qualified name of this machine as far as the system knows it.

    May wait for DNS, once.
    """
    name = socket.gethostname()
    return name if "." in name else socket.getfqdn()


def assemble(
    text: str,
    source: str,
    environ: Mapping[str, str],
    tables: Tables,
    name_of_machine: NameOfMachine = machine_name,
    *,
    reads_secrets: bool = True,
) -> Config:
    """The configuration that `text` describes. Raises ConfigError with every problem in it."""
    report = Report(source)
    reading = Reading(environ, _directory(source), reads_secrets=reads_secrets)
    config = _Assembly(_root(text, report), reading, tables, report).config(name_of_machine)
    if config is None or report.problems:
        raise ConfigError(report.problems)
    return config


def assemble_to_look(text: str, report: Report, tables: Tables) -> Config:
    """As much of the configuration as can be read, without secrets; `report` has the rest.

    A path keeps a route or mailbox with a mistake: its target is None then. Raises ConfigError
    where the text is no configuration at all, or does not tell where the ledger is.
    """
    reading = Reading({}, _directory(report.file), reads_secrets=False, is_lenient=True)
    config = _Assembly(_root(text, report), reading, tables, report).config(socket.gethostname)
    if config is None or any(problem.path == "ledger" for problem in report.problems):
        raise ConfigError(report.problems)
    return config


def _root(text: str, report: Report) -> Node:
    root = read_yaml(text, report)
    if not isinstance(root.value, dict):
        raise report.refuse(root.line, "must be a mapping of options")
    return root


def _directory(source: str) -> FileSystemPath:
    return FileSystemPath(source).parent


class _Assembly:
    """The sections of one file while they are read."""

    def __init__(self, root: Node, reading: Reading, tables: Tables, report: Report) -> None:
        self._report = report
        self._tables = tables
        self._site = ""
        entries = root.value if isinstance(root.value, dict) else {}
        self._sections = {name: self._section(entries.get(name), name) for name in SECTIONS}
        own = {key: node for key, node in entries.items() if key not in SECTIONS}
        self._top = Node(root.line, own)
        self._reading = replace(
            reading,
            routes=frozenset(self._sections["routes"]),
            mailboxes=frozenset(self._sections["mailboxes"]),
        )

    def config(self, name_of_machine: NameOfMachine) -> Config | None:
        """The finished value; not to be used when anything was reported."""
        service = self._service()
        self._site = "" if service is None else service.site or ""
        routes = {name: self._route(name, node) for name, node in self._each("routes")}
        mailboxes = {name: self._mailbox(name, node) for name, node in self._each("mailboxes")}
        paths = {
            name: self._path(name, node, routes, mailboxes) for name, node in self._each("paths")
        }
        jobs = {name: self._job(name, node) for name, node in self._each("jobs")}
        self._require_work()
        if self._reading.is_lenient and service is not None and service.ehlo_name is None:
            service = replace(service, ehlo_name=EhloName(name_of_machine()))
        if service is not None and service.ehlo_name is None and not self._report.problems:
            targets = [entry.target for entry in (*_known(routes), *_known(jobs))]
            name = self._own_name(targets, name_of_machine)
            service = replace(service, ehlo_name=EhloName(name))
        if service is None:
            return None
        return Config(
            source=self._report.file,
            service=_service_options(service, self._reading.directory, self._reading.environ),
            routes={route.name: route for route in _known(routes)},
            mailboxes={mailbox.name: mailbox for mailbox in _known(mailboxes)},
            paths={path.name: replace(path, site=service.site or "") for path in _known(paths)},
            jobs={job.name: job for job in _known(jobs)},
            warnings=tuple(map(str, self._report.warnings)),
        )

    def _section(self, node: Node | None, name: str) -> dict[str, Node]:
        """One of the tables of the file; an empty one may stand there."""
        if node is None or node.value is None:
            return {}
        if isinstance(node.value, dict):
            return node.value
        self._report.add(node.line, (name,), "must be a mapping of names")
        return {}

    def _each(self, section: str) -> Iterable[tuple[str, Node]]:
        for name, node in self._sections[section].items():
            if not _NAME.fullmatch(name):
                self._report.add(node.line, (section, name), f"a name is {_NAME_RULE}")
            elif section == "jobs" and name in self._sections["paths"]:
                line = self._sections["paths"][name].line
                message = f"a path has this name, on line {line}"
                self._report.add(node.line, (section, name), message, "names are told apart")
            yield name, node

    def _require_work(self) -> None:
        if not self._sections["paths"] and not self._sections["jobs"]:
            message = "nothing to do: neither paths nor jobs"
            self._report.add(self._top.line, (), message)

    def _service(self) -> ServiceKeys | None:
        read = read_entry(
            (ServiceKeys,), self._top, (), self._reading, self._report, known=tuple(SECTIONS)
        )
        if read is None or self._is_refused(service_mistakes(read[0]), self._top, ()):
            return None
        keys: ServiceKeys = read[0]
        return keys

    def _own_name(self, targets: Iterable[Any], name_of_machine: NameOfMachine) -> str:
        """The machine's name; a mistake if it is none that RFC 5321 §4.1.1.1 allows."""
        if not any(_needs_ehlo_name(target) for target in targets):
            return socket.gethostname()
        name = name_of_machine()
        if name.startswith("localhost") or not self._is_full_name(name):
            message = "is required: this machine has no fully qualified name"
            remedy = "write the name under which others know it"
            self._report.add(self._top.line, ("ehlo_name",), message, remedy)
        return name

    def _is_full_name(self, name: str) -> bool:
        try:
            return read_ehlo_name(name, self._reading) == name.lower()
        except Refusal:
            return False

    def _route(self, name: str, node: Node) -> Route | None:
        where = ("routes", name)
        read = self._tagged(node, where, "type", self._tables.routes, (DoorKeys,))
        if read is None:
            return Route(name, "", None) if self._reading.is_lenient else None
        kind, (keys, target) = read
        return Route(name, kind, target, keys.team)

    def _mailbox(self, name: str, node: Node) -> Mailbox | None:
        where = ("mailboxes", name)
        read = self._tagged(node, where, "type", self._tables.mailboxes, (DoorKeys,))
        if read is None:
            return Mailbox(name, "", None) if self._reading.is_lenient else None
        kind, (keys, target) = read
        return Mailbox(name, kind, target, keys.team)

    def _job(self, name: str, node: Node) -> Job | None:
        where = ("jobs", name)
        read = self._tagged(node, where, "kind", self._tables.kinds, (JobKeys,))
        if read is None:
            return None
        kind, (keys, target) = read
        return Job(name, kind, target, keys.every, keys.deadline, keys.team)

    def _tagged(
        self, node: Node, where: Where, tag: str, table: Mapping[str, type], shapes: Shapes
    ) -> tuple[str, tuple[Any, ...]] | None:
        """Read an entry with options that depend on its `tag`: the tag's word and the values."""
        if not isinstance(node.value, dict):
            self._report.add(node.line, where, "must be a mapping of options")
            return None
        word = node.value.get(tag)
        if word is None:
            self._report.add(node.line, (*where, tag), "is required", suggestion("", table))
            return None
        kind = word.value
        if not isinstance(kind, str) or kind not in table:
            remedy = suggestion(kind if isinstance(kind, str) else "", table)
            self._report.add(word.line, (*where, tag), f"no such {tag}", remedy)
            return None
        rest = Node(node.line, {key: child for key, child in node.value.items() if key != tag})
        read = read_entry(
            (*shapes, table[kind]), rest, where, self._reading, self._report, known=(tag,)
        )
        if read is None or self._is_refused(target_mistakes(read[-1]), node, where):
            return None
        for option, message, remedy in target_warnings(read[-1]):
            self._report.warn(line_of(node, (option,)), (*where, option), message, remedy)
        return kind, read

    def _path(
        self,
        name: str,
        node: Node,
        routes: Mapping[str, Route | None],
        mailboxes: Mapping[str, Mailbox | None],
    ) -> Path | None:
        where = ("paths", name)
        read = read_entry((PathKeys, MessageOptions), node, where, self._reading, self._report)
        if read is None:
            return None
        keys: PathKeys = read[0]
        message: MessageOptions = read[1]
        mistakes = (*path_mistakes(keys), *message_mistakes(message, self._site))
        route, mailbox = routes[keys.route], mailboxes[keys.mailbox]
        if self._is_refused(mistakes, node, where) or route is None or mailbox is None:
            return None
        return Path(
            name=name,
            route=route,
            mailbox=mailbox,
            message=message,
            every=keys.every,
            deadline=keys.deadline,
            late_after=keys.late_after,
            lost_after=keys.lost_after,
            team=keys.team or route.team or mailbox.team,
        )

    def _is_refused(self, mistakes: Iterable[Mistake], node: Node, where: Where) -> bool:
        """Report the mistakes; True when there were any. Where one only looks they do not count."""
        if self._reading.is_lenient:
            return False
        count = 0
        for option, message, remedy in mistakes:
            inside = (option,) if option else ()
            self._report.add(line_of(node, inside), where + inside, message, remedy)
            count += 1
        return count > 0


def _known(entries: Mapping[str, Any]) -> list[Any]:
    return [entry for entry in entries.values() if entry is not None]


def _needs_ehlo_name(target: Any) -> bool:
    """True for one that greets servers itself, in the service's name."""
    connects = hasattr(target, "source_address")
    return connects and hasattr(target, "ehlo_name") and target.ehlo_name is None


def _service_options(
    keys: ServiceKeys, directory: FileSystemPath, environ: Mapping[str, str]
) -> ServiceOptions:
    ledger = str(keys.ledger)
    if not is_given(ledger):
        ledger = str(default_file(ledger, directory, environ))
    return ServiceOptions(
        listen_address=keys.listen.address,
        listen_port=keys.listen.port,
        ledger=ledger,
        ehlo_name=Host(str(keys.ehlo_name)),
        resolvers=None if keys.resolvers == "system" else keys.resolvers,
        source_address=keys.source_address,
        allow_loopback=keys.allow_loopback,
        ca_file=keys.ca_file,
        max_concurrent=keys.max_concurrent,
        max_concurrent_per_host=keys.max_concurrent_per_host,
        keep_runs=keys.keep_runs,
        probe_targets=keys.probe_targets,
        phase_histograms=keys.phase_histograms,
        site=keys.site or "",
        log_format=keys.log_format,
        log_level=keys.log_level,
        ledger_group=keys.ledger_group,
        resolver_check=keys.resolver_check,
        enable_lifecycle=keys.enable_lifecycle,
        health_without_login=keys.health_without_login,
        vantage=keys.vantage,
        external_url=keys.external_url,
    )
