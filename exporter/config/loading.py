"""The way in: a file, or a text, to a Config."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic

from exporter.config.assembly import NameOfMachine, assemble, assemble_to_look, machine_name
from exporter.config.entries import options_of
from exporter.config.keys import Tables
from exporter.config.problems import Problem, Report
from exporter.config.schema import build_schema
from exporter.config.yaml_reader import MAX_BYTES
from exporter.model import Config
from probes.registry.plugins import PluginError, PluginTable, R
from probes.registry.rows import KINDS, MAILBOXES, ROUTES


class _Targets(Mapping[str, type], Generic[R]):
    """The options of every row of a table, read when they are asked for."""

    def __init__(self, rows: PluginTable[R]) -> None:
        self._rows = rows

    def __getitem__(self, name: str) -> type:
        target = self._rows[name].target
        try:
            options_of((target,))
        except (TypeError, NameError) as error:
            raise self._rows.error(name, str(error)) from error
        return target

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


REGISTERED = Tables(_Targets(KINDS), _Targets(ROUTES), _Targets(MAILBOXES))
"""Everything that a file can name: the whole registry."""


def load(
    path: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    name_of_machine: NameOfMachine = machine_name,
    reads_secrets: bool = True,
) -> Config:
    """Read a configuration file and the files it names. Raises ConfigError.

    Without `reads_secrets` every secret is empty: neither variables nor files are read for them.
    """
    text = _read(path)
    return parse(
        text, str(path), environ, name_of_machine=name_of_machine, reads_secrets=reads_secrets
    )


def load_to_look(path: Path) -> tuple[Config, tuple[Problem, ...]]:
    """Read what can be read of a configuration, for a command that only looks into the ledger.

    It needs no secret, and an entry with a mistake is taken as far as it goes. Returns the mistakes
    too. Raises ConfigError where the file is no configuration at all.
    """
    report = Report(str(path))
    with _refusing_plugins(path):
        return assemble_to_look(_read(path), report, REGISTERED), tuple(report.problems)


def parse(
    text: str,
    source: str,
    environ: Mapping[str, str] = os.environ,
    *,
    tables: Tables = REGISTERED,
    name_of_machine: NameOfMachine = machine_name,
    reads_secrets: bool = True,
) -> Config:
    """The configuration in `text`; files it names are looked for beside `source`.

    Raises ConfigError with every problem found, or with the one that keeps the text from being
    YAML. `name_of_machine` is asked only where an EHLO name is needed and none is given.
    """
    with _refusing_plugins(source):
        return assemble(text, source, environ, tables, name_of_machine, reads_secrets=reads_secrets)


@contextmanager
def _refusing_plugins(source: str | Path) -> Iterator[None]:
    """A block in which a broken plug-in is a mistake of the configuration that names it."""
    try:
        yield
    except PluginError as error:
        raise Report(str(source)).refuse(None, str(error)) from error


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the file, for editors. Raises PluginError."""
    return build_schema(REGISTERED)


def check_plugins() -> None:
    """Load every installed plug-in, also those that no file names. Raises PluginError."""
    for rows in (KINDS, ROUTES, MAILBOXES):
        rows.load()
    build_schema(REGISTERED)


def _read(path: Path) -> str:
    report = Report(str(path))
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise report.refuse(None, f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise report.refuse(None, f"is larger than {MAX_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise report.refuse(line, "is not UTF-8 text") from None
