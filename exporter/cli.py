"""The command line: a table of commands, each loaded when it is called so that --help is fast."""

import io
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
    """Load a command's code and run it."""
    code: int = _load(module, name)(*arguments)
    return code


def _load(module: str, name: str) -> Any:
    """The one place where imports wait for their use."""
    return getattr(import_module(module), name)


@app.command()
def serve(config: ConfigFile) -> int:
    """Run the service: send canaries, watch mailboxes, answer Prometheus."""
    return _command("exporter.commands.serve", "serve", config)


@app.command("check-config")
def check_config(file: Annotated[Path, typer.Argument(help="The configuration file.")]) -> int:
    """Say everything that is wrong with a configuration; start nothing."""
    return _command("exporter.commands.config", "check_config", file)


@app.command("config-schema")
def config_schema() -> int:
    """Print the JSON Schema of the configuration, for editors."""
    return _command("exporter.commands.config", "config_schema")


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A path or a job by its name.")],
    config: ConfigFile,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Run a path or a job once, now, and show every step.

    Exit code 0: ok, 1: warning, 2: failure, 3: untestable, 64: usage or configuration error.
    """
    return _command("exporter.commands.run", "run_now", name, config, json)


@app.command()
def status(
    config: ConfigFile,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> int:
    """Show the state of every path, mailbox and job, and what failing paths have in common.

    Exit code 0: all is well; 1: mail is late; 2: something fails; 3: something is unknown (a
    mailbox is unreadable, the service does not run); 64: usage or configuration error.
    """
    return _command("exporter.commands.status", "status", config, json)


@app.command()
def history(
    name: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A path or a job by its name.")],
    config: ConfigFile,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many, at most 1000.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> int:
    """List the latest canaries of a path, or runs of a job, the newest first.

    Exit code 0: shown, 3: the ledger cannot be read, 64: usage or configuration error.
    """
    return _command("exporter.commands.history", "history", name, config, limit, json)


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN|NAME[/TICK]", help="A token or its beginning, or a run of a path or job."
        ),
    ],
    config: ConfigFile,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> int:
    """Tell the whole story of one canary, from DNS to the mailbox, or of one run of a job.

    Exit code 0: ok; 1: warning; 2: failure; 3: untestable or not settled yet; 64: usage or
    configuration error.
    """
    return _command("exporter.commands.show", "show", run, config, json)


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
    """Show the evidence in a message: its hops, the verdicts on it, and the reason of a bounce."""
    return _command("exporter.commands.explain", "explain", file, json, resolver, offline)


@app.command()
def diagnose(  # noqa: PLR0913, PLR0917 - one parameter an option
    target: Annotated[str, typer.Argument(metavar="DOMAIN|ADDRESS", help="What to diagnose.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole tree as JSON.")] = False,
    mail_from: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", help="Envelope sender to ask for.")
    ] = None,
    sending_ip: Annotated[
        list[str] | None, typer.Option(metavar="IP", help="An address mail of the domain is from.")
    ] = None,
    helo: Annotated[
        str | None, typer.Option(metavar="NAME", help="Our EHLO name, and the sending machines'.")
    ] = None,
    selector: Annotated[
        list[str] | None, typer.Option(metavar="S", help="A DKIM selector of the domain.")
    ] = None,
    resolver: Annotated[
        list[str] | None, typer.Option(metavar="IP[:PORT]", help="Ask this DNS server.")
    ] = None,
    smtp_port: Annotated[int, typer.Option(help="Port of the MX hosts.")] = 25,
    source_address: Annotated[
        str | None, typer.Option(metavar="IP", help="Local address to connect from.")
    ] = None,
    timeout: Annotated[str, typer.Option(metavar="D", help="Longest wait for an area.")] = "30s",
    only: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Some areas only: mx,policy,sender,nameservers."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", "-c", metavar="FILE", help="Use what this service learnt, too."),
    ] = None,
    broken_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A name with broken signatures, to test the resolver."),
    ] = None,
    rcpt: Annotated[
        bool, typer.Option("--rcpt", help="Ask whether the address and postmaster are taken.")
    ] = False,
    catch_all: Annotated[
        bool, typer.Option("--catch-all", help="Ask for a recipient that cannot exist.")
    ] = False,
    open_relay: Annotated[
        bool, typer.Option("--open-relay", help="Ask for a recipient of another domain, ours.")
    ] = False,
    allow_loopback: Annotated[
        bool, typer.Option("--allow-loopback", help="Connect to hosts on this machine, too.")
    ] = False,
) -> int:
    """Walk the way of mail to a domain as a sender does; show the faults and their remedies.

    Sends no message. Exit code 0: nothing to mend, 1: warnings, 2: something is broken, 3: a
    verdict could not be reached from here, 64: usage error.
    """
    options = {
        "target": target,
        "as_json": as_json,
        "mail_from": mail_from,
        "sending_ip": tuple(sending_ip or ()),
        "helo": helo,
        "selector": tuple(selector or ()),
        "resolver": tuple(resolver or ()),
        "smtp_port": smtp_port,
        "source_address": source_address,
        "timeout": timeout,
        "only": only,
        "config": config,
        "broken_name": broken_name,
        "rcpt": rcpt,
        "catch_all": catch_all,
        "open_relay": open_relay,
        "allow_loopback": allow_loopback,
    }
    request = _load("exporter.diagnose.request", "prepare")(options)
    if request is None:
        return USAGE
    return _command("exporter.commands.diagnose", "diagnose_now", request, as_json)


@app.command()
def findings(
    code: Annotated[str | None, typer.Argument(help="One code; all of them without it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the whole page.")] = False,
) -> int:
    """Explain the code of a finding: its meaning, its owner, its remedy, and how to verify it."""
    return _command("exporter.commands.findings", "findings", code, json, markdown)


@app.command()
def selftest(
    only: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="Cases of an area or a code, or with it in their name."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> int:
    """Show that every finding's code fires where it should and stays silent where it should not.

    Needs no mail system, no privileges and no network: servers that misbehave on order run in this
    process, on loopback. Exit code 0: all is right, 2: a case disagrees, 3: it cannot be run here,
    64: usage error.
    """
    return _command("exporter.commands.selftest", "selftest", only, json)


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # where ✓ cannot be written, a question mark would say something else
            stream.reconfigure(errors="backslashreplace")
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
