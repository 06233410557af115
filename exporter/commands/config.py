"""mailcanary check-config and config-schema."""

import json
from pathlib import Path

from exporter.commands.common import has_place_for_ledger, load_config
from exporter.config import check_plugins, schema
from exporter.model import Config
from exporter.reports.exit_codes import ExitCode
from exporter.terminal.text import complain, say
from probes.registry.plugins import PluginError


def check_config(file: Path, no_secrets: bool = False) -> int:  # noqa: FBT001, FBT002
    """`mailcanary check-config`."""
    config = load_config(file, reads_secrets=not no_secrets)
    if config is None:
        return ExitCode.USAGE
    try:
        check_plugins()
    except PluginError as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    if not has_place_for_ledger(file, config.service.ledger):
        return ExitCode.USAGE
    for warning in config.warnings:
        complain(f"{warning} (warning)")
    say(
        f"{file}: {len(config.paths)} paths, {len(config.jobs)} jobs, "
        f"{len(config.mailboxes)} mailboxes, {len(config.routes)} routes: "
        f"{_verdict(config, no_secrets=no_secrets)}"
    )
    return ExitCode.OK


def _verdict(config: Config, *, no_secrets: bool) -> str:
    found = len(config.warnings)
    verdict = f"no mistake, {found} warning{'s' * (found > 1)}" if found else "no problem found"
    return f"{verdict}; secrets were not read" if no_secrets else verdict


def config_schema() -> int:
    """`mailcanary config-schema`."""
    try:
        say(json.dumps(schema(), indent=2))
    except PluginError as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    return ExitCode.OK
