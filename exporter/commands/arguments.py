"""The configuration file as an argument of the commands, and where it is looked for."""

import os
from pathlib import Path
from typing import Annotated

import typer

CONFIG_VARIABLE = "MAILCANARY_CONFIG"
DEFAULT_CONFIG = "/etc/mailcanary/mailcanary.yaml"

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"The configuration; else ${CONFIG_VARIABLE}, else {DEFAULT_CONFIG}.",
    ),
]
File = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The same as --config FILE.")]


def readable(file: str | None) -> str | None:
    """Return the file if it can be read: for a command that also works without one."""
    return file if file and os.access(file, os.R_OK) else None


def chosen_file(config: Path | None, file: Path | None) -> Path:
    """Return the configuration file that is meant. Raises a usage error where none is."""
    if config is not None and file is not None and config != file:
        raise typer.BadParameter(f"two configuration files are named, {config} and {file}")
    named = config or file or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    if Path(DEFAULT_CONFIG).exists():
        return Path(DEFAULT_CONFIG)
    raise typer.BadParameter(
        f"no configuration: name it with -c FILE or in ${CONFIG_VARIABLE}, "
        f"or put it at {DEFAULT_CONFIG}"
    )
