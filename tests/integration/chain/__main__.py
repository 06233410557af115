"""`./run rig [SHELL COMMAND]`: bring the chain up and run a command, or a shell, inside it."""

import os
import signal
import subprocess
import sys

from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.integration.chain.daemons import ChainError
from tests.servers.real import SEARCH_PATH, missing

BANNER = f"""\
submission {layout.OUT_HOST}:587 STARTTLS, MX {layout.MX_HOST}:25
relays {layout.EXIM_HOST} and {layout.SKEWED_HOST} for {", ".join(layout.ROUNDABOUT)}
IMAP {layout.IMAP_HOST}:993 TLS, 143 STARTTLS
users {layout.SENDER} and {layout.RECIPIENT}, password {layout.PASSWORD!r}
files in $CHAIN (tls/ca.pem, log/out, log/mx, log/exim, log/dovecot), resolver 127.0.0.1:53
"""


def main(arguments: list[str]) -> int:
    """The exit status of the command; 3 where this machine cannot have the chain."""
    absent = missing(*layout.PACKAGES)
    if absent or os.geteuid() != 0:
        wants = "install " + " ".join(absent) if absent else "root, for namespaces and daemons"
        print(f"the chain needs: {wants}", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    shell = os.environ.get("SHELL", "/bin/sh")
    command = ["sh", "-c", " ".join(arguments)] if arguments else [shell]
    try:
        with Chain.start() as chain:
            print(BANNER, end="", file=sys.stderr)
            environ = {**os.environ, "CHAIN": str(chain.place.root), "PATH": SEARCH_PATH}
            return subprocess.call(chain.enter(command), env=environ)
    except ChainError as error:
        print(error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
