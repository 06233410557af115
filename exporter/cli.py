"""The command line: a table of commands, each loaded when it is called so that --help is fast."""

import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

USAGE = 64
INTERRUPTED = 130

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Watches mail paths: sends canaries, times every step, says which failed and why.",
)

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]


def _command(module: str, name: str, *arguments: Any) -> int:
    """Load a command's code and run it; the one place where imports wait for their use."""
    code: int = getattr(import_module(module), name)(*arguments)
    return code


@app.command()
def serve(config: ConfigFile) -> int:
    """Run the service: send canaries, watch mailboxes, answer Prometheus."""
    return _command("exporter.commands", "serve", config)


@app.command("check-config")
def check_config(file: Annotated[Path, typer.Argument(help="The configuration file.")]) -> int:
    """Say everything that is wrong with a configuration; start nothing."""
    return _command("exporter.commands", "check_config", file)


@app.command("config-schema")
def config_schema() -> int:
    """Print the JSON Schema of the configuration, for editors."""
    return _command("exporter.commands", "config_schema")


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A path or a job by its name.")],
    config: ConfigFile,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Run a path or a job once, now, and show every step.

    Exit code 0: ok, 1: warning, 2: failure, 3: untestable, 64: usage or configuration error.
    """
    return _command("exporter.commands", "run_now", name, config, json)


@app.command()
def explain(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A message (.eml), - for stdin.")],
    json: Annotated[bool, typer.Option("--json", help="Print the evidence as JSON.")] = False,
    resolver: Annotated[
        str | None,
        typer.Option(metavar="IP[:PORT]", help="Ask this DNS server for DKIM keys."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody for DKIM keys.")] = False,
) -> int:
    """Say what a message proves: its hops, the verdicts on it, and what a bounce says."""
    return _command("exporter.commands", "explain", file, json, resolver, offline)


@app.command()
def findings(
    code: Annotated[str | None, typer.Argument(help="One code; all of them without it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the whole page.")] = False,
) -> int:
    """Say what a finding's code means, whose it is, what to do and how to verify it."""
    return _command("exporter.findings", "findings", code, json, markdown)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Settle every path once, then end.")] = False,
    fault: Annotated[
        str | None, typer.Option("--fault", metavar="NAME", help="Make the mail world misbehave.")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", help="Port of the pages; 0: any free one.")
    ] = 10587,
) -> int:
    """Start an embedded mail world and watch it."""
    return _command("exporter.demo.run", "demo", once, fault, port)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"mailcanary {version('mailcanary')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """The `mailcanary` command."""
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        code = INTERRUPTED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.TyperException as error:
        typer.echo(f"mailcanary: {error}", err=True)
        typer.echo("Try 'mailcanary --help'.", err=True)
        code = USAGE
    sys.exit(code)


if __name__ == "__main__":
    main()
