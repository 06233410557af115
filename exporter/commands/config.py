"""mailcanary check-config and config-schema."""

import json
from pathlib import Path

from exporter.commands.common import has_place_for_ledger, load_config
from exporter.config import check_plugins, schema
from exporter.reports.exit_codes import ExitCode
from exporter.terminal.text import complain, say
from probes.registry.plugins import PluginError


def check_config(file: Path) -> int:
    """`mailcanary check-config`."""
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    try:
        check_plugins()
    except PluginError as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    if not has_place_for_ledger(file, config.service.ledger):
        return ExitCode.USAGE
    say(
        f"{file}: {len(config.paths)} paths, {len(config.jobs)} jobs, "
        f"{len(config.mailboxes)} mailboxes, {len(config.routes)} routes: no problem found"
    )
    return ExitCode.OK


def config_schema() -> int:
    """`mailcanary config-schema`."""
    try:
        say(json.dumps(schema(), indent=2))
    except PluginError as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    return ExitCode.OK
