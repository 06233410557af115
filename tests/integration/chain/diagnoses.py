"""Many diagnoses inside the chain: `python -m tests.integration.chain.diagnoses`.

Command lines of `mailcanary diagnose` as a JSON object, name -> arguments, on standard input; name
-> [exit code, standard output] on standard output. The program is loaded once and forked for each:
loading it takes longer than most diagnoses.
"""

import contextlib
import io
import json
import multiprocessing
import sys
from collections.abc import Mapping, Sequence

import exporter.commands.diagnose  # noqa: F401 - what the command loads when it is called
from exporter import cli
from tests.integration.chain.chain import Chain

AT_ONCE = 3


def diagnose_all(chain: Chain, lines: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, str]]:
    """Run them with the chain's authority for the system's."""
    module = [sys.executable, "-m", "tests.integration.chain.diagnoses"]
    environ = ["env", f"SSL_CERT_FILE={chain.place.ca_file}", "COLUMNS=200"]
    told = json.loads(chain.run([*environ, *module], text=json.dumps(lines), within=60).stdout)
    return {name: (code, text) for name, (code, text) in told.items()}


def diagnose(arguments: Sequence[str]) -> tuple[int, str]:
    """One, in a process of its own."""
    sys.argv = ["mailcanary", "diagnose", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
    raise AssertionError("the command did not exit")


def main() -> None:
    """The command line of this file."""
    lines = json.load(sys.stdin)
    with multiprocessing.get_context("fork").Pool(AT_ONCE, maxtasksperchild=1) as pool:
        told = pool.map(diagnose, lines.values(), chunksize=1)
    print(json.dumps(dict(zip(lines, told, strict=True))))


if __name__ == "__main__":
    main()
