"""The command line: a table of commands, each loaded when it is called so that --help is fast."""

import os
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from exporter.commands.arguments import CONFIG_VARIABLE, Config, File, chosen_file, readable
from exporter.terminal.streams import Answer, hold_standard_descriptors

USAGE = 64
INTERRUPTED = 130
PROGRAM = "mailcanary"
COMPLETE = "_MAILCANARY_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Watches mail paths: sends canaries, times every step, says which failed and why.",
)


def _command(module: str, name: str, *arguments: Any, **options: Any) -> int:
    """Load a command's code and run it."""
    return int(_load(module, name)(*arguments, **options))


def _load(module: str, name: str) -> Any:
    """The one place where imports wait for their use."""
    return getattr(import_module(module), name)


@app.command()
def serve(
    file: File = None,
    config: Config = None,
    log_format: Annotated[
        str | None,
        typer.Option(metavar="text|logfmt|json", help="Form of the log; else `log_format`."),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            metavar="debug|info|warning|error", help="Least level in the log; else `log_level`."
        ),
    ] = None,
    web_enable_lifecycle: Annotated[
        bool,
        typer.Option(
            "--web.enable-lifecycle",
            help="Let POST /-/reload read the configuration again; else `enable_lifecycle`.",
        ),
    ] = False,
    web_config_file: Annotated[
        Path | None,
        typer.Option(
            "--web.config.file",
            metavar="FILE",
            help="TLS, logins and headers of the pages, in the format of Prometheus exporters.",
        ),
    ] = None,
) -> int:
    """Run the service: send canaries, watch mailboxes, answer Prometheus."""
    chosen = chosen_file(config, file)
    return _command(
        *("exporter.commands.serve", "serve", chosen, log_format, log_level),
        enable_lifecycle=web_enable_lifecycle,
        web_config_file=web_config_file,
    )


@app.command("check-config")
def check_config(
    file: File = None,
    config: Config = None,
    no_secrets: Annotated[
        bool,
        typer.Option("--no-secrets", help="Read no password: neither variable nor file."),
    ] = False,
) -> int:
    """List every mistake in a configuration; start nothing.

    Exit code 0: it can be used, also with warnings; 64: it cannot.
    """
    return _command(
        "exporter.commands.config", "check_config", chosen_file(config, file), no_secrets
    )


@app.command("config-schema")
def config_schema() -> int:
    """Print the JSON Schema of the configuration, for editors."""
    return _command("exporter.commands.config", "config_schema")


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A path or a job by its name.")],
    file: File = None,
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Run a path or a job once, now, and show every step.

    Exit code 0: ok, 1: warning, 2: failure, 3: untestable, 64: usage or configuration error.
    """
    return _command("exporter.commands.run", "run_now", name, chosen_file(config, file), json)


@app.command()
def status(
    file: File = None,
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    nagios: Annotated[
        bool, typer.Option("--nagios", help="Print it as a Nagios plug-in does, with perfdata.")
    ] = False,
) -> int:
    """Show the state of every path, mailbox and job, and what failing paths have in common.

    Exit code 0: all is well; 1: mail is late; 2: something fails; 3: something is unknown (a
    mailbox is unreadable, the service does not run); 64: usage or configuration error.
    """
    if json and nagios:
        raise typer.BadParameter("--json and --nagios exclude each other")
    return _command("exporter.commands.status", "status", chosen_file(config, file), json, nagios)


@app.command()
def history(
    name: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A path or a job by its name.")],
    file: File = None,
    config: Config = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many, at most 1000.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> int:
    """List the latest canaries of a path, or runs of a job, the newest first.

    Exit code 0: shown, 3: the ledger cannot be read, 64: usage or configuration error.
    """
    return _command(
        "exporter.commands.history", "history", name, chosen_file(config, file), limit, json
    )


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN|NAME[/TICK]", help="A token or its beginning, or a run of a path or job."
        ),
    ],
    file: File = None,
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> int:
    """Tell the whole story of one canary, from DNS to the mailbox, or of one run of a job.

    Exit code 0: ok; 1: warning; 2: failure; 3: untestable or not settled yet; 64: usage or
    configuration error.
    """
    return _command("exporter.commands.show", "show", run, chosen_file(config, file), json)


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
    targets: Annotated[
        list[str], typer.Argument(metavar="DOMAIN|ADDRESS", help="What to diagnose.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="F", help="text, json, markdown or html (for a ticket)."),
    ] = None,
    brief: Annotated[
        bool, typer.Option("--brief", help="The verdict, and a line for each defect.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Add what was said in SMTP.")
    ] = False,
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
    smtp_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the MX hosts.")] = 25,
    source_address: Annotated[
        str | None, typer.Option(metavar="IP", help="Local address to connect from.")
    ] = None,
    timeout: Annotated[
        str, typer.Option(metavar="D", help="Longest wait for one server; an area takes twice it.")
    ] = "30s",
    only: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Some areas only: mx,policy,sender,nameservers."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help=f"Use what this service learnt, too; else ${CONFIG_VARIABLE}.",
        ),
    ] = None,
    broken_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A name with broken signatures, to test the resolver."),
    ] = None,
    rcpt: Annotated[
        bool | None,
        typer.Option(
            "--rcpt/--no-rcpt",
            help="Ask whether the address and postmaster are taken; an address is asked for "
            "unless --no-rcpt.",
            show_default=False,
        ),
    ] = None,
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

    Sends no message. An address is asked for with RCPT, a domain alone is not. The answer goes to
    standard output, the steps to standard error. Exit code 0: nothing to mend, 1: warnings, 2:
    something is broken, 3: a verdict could not be reached from here, 64: usage error.
    """
    options = {
        "targets": tuple(targets),
        "as_json": as_json,
        "format": form,
        "brief": brief,
        "verbose": verbose,
        "mail_from": mail_from,
        "sending_ip": tuple(sending_ip or ()),
        "helo": helo,
        "selector": tuple(selector or ()),
        "resolver": tuple(resolver or ()),
        "smtp_port": smtp_port,
        "source_address": source_address,
        "timeout": timeout,
        "only": only,
        "config": config or readable(os.environ.get(CONFIG_VARIABLE)),
        "broken_name": broken_name,
        "rcpt": rcpt,
        "catch_all": catch_all,
        "open_relay": open_relay,
        "allow_loopback": allow_loopback,
    }
    orders = _load("exporter.diagnose.request", "prepare")(options)
    if orders is None:
        return USAGE
    return _command("exporter.commands.diagnose", "diagnose_now", orders)


@app.command()
def findings(
    code: Annotated[str | None, typer.Argument(help="One code; all of them without it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the whole page.")] = False,
) -> int:
    """Explain the code of a finding: its meaning, its owner, its remedy, and how to verify it."""
    return _command("exporter.commands.findings", "findings", code, json, markdown)


@app.command()
def rules(
    objective: Annotated[
        float, typer.Option(metavar="PERCENT", help="Share of canaries that have to arrive.")
    ] = 99.0,
    external_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of mailcanary's pages.")
    ] = None,
    grafana_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of Grafana.")
    ] = None,
    runbook_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The folder of the runbooks.")
    ] = None,
) -> int:
    """Print alert and recording rules for Prometheus 2.42 or newer.

    An annotation has an address only if you give it. Exit code 64: usage error.
    """
    return _command(
        *("exporter.commands.rules", "rules", objective, external_url, grafana_url, runbook_url)
    )


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
        str | None,
        typer.Option(
            "--fault",
            metavar="NAME",
            help="Make the mail world misbehave; list: name the faults.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the pages; 0: any free one.")
    ] = 10587,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Address of the pages; 0.0.0.0: all."),
    ] = "127.0.0.1",
) -> int:
    """Start an embedded mail world and watch it.

    Exit code 0: as intended, 2: not as intended, 3: it cannot be run here, 64: usage error.
    """
    return _command("exporter.demo.run", "demo", once, fault, port, host)


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
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of a fault of mailcanary itself.")
    ] = False,
) -> None:
    """Options before the command."""
    del show_version  # it has printed and ended already
    if debug:
        os.environ["MAILCANARY_DEBUG"] = "1"


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="Which shell.")],
) -> int:
    """Print what makes a shell complete this command line."""
    if shell not in SHELLS:
        raise typer.BadParameter(f"no completion for {shell!r}; there is {', '.join(SHELLS)}")
    names = {"prog_name": PROGRAM, "complete_var": COMPLETE, "shell": shell}
    typer.echo(_load("typer.completion", "get_completion_script")(**names))
    return 0


def main() -> None:
    """The `mailcanary` command."""
    hold_standard_descriptors()
    if COMPLETE in os.environ:  # the shell asks for words
        _load("typer.completion", "completion_init")()
    answer = Answer()
    code = _code()
    missing = answer.end()
    if missing is not None:
        _complain(f"mailcanary: standard output could not be written: {missing.strerror}")
    sys.exit(code)


def _code() -> int:
    """Run the command; return its exit code, whatever happens."""
    try:
        code: int = app(standalone_mode=False, **_naming())
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except typer.TyperException as error:
        _complain(f"mailcanary: {error.format_message()}\nTry 'mailcanary --help'.")
        return USAGE
    except Exception as error:  # noqa: BLE001 - the last resort
        return _fault(error)
    return code


def _naming() -> dict[str, str]:
    """Return the names by which a shell asks; a fixed one, however the program was called."""
    return {"prog_name": PROGRAM, "complete_var": COMPLETE} if COMPLETE in os.environ else {}


def _fault(error: Exception) -> int:
    """Say that mailcanary itself is at fault, or lacks a package; never a traceback by itself."""
    code, text = _load("exporter.commands.fault", "told")(error)
    _complain(text)
    return int(code)


def _complain(text: str) -> None:
    _load("exporter.terminal.text", "complain")(text)


if __name__ == "__main__":
    main()
