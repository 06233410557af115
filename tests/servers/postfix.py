"""A stock Postfix of its own: scratch directories, one port on loopback, gone at the end."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.real import program
from tests.support.ports import reserved_port

_MAIN = """
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/log
maillog_file_prefixes = {root}
myhostname = mx.test
inet_protocols = ipv4
mydestination =
local_transport = error:none
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = mx.test
virtual_transport = discard:
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = {pem}
"""

_SMTPD = """
127.0.0.1:{port} inet n - n - - smtpd
"""

_POSTSCREEN = """
127.0.0.1:{port} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
tlsproxy unix - - n - 0 tlsproxy
dnsblog unix - - n - 0 dnsblog
"""
"""postscreen(8) in front of smtpd: every connection goes through its tests first."""

_MASTER = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
discard unix - - n - - discard
error unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running instance on 127.0.0.1; it takes mail for `mx.test` and throws it away."""

    port: int
    root: Path

    def log(self) -> str:
        """Everything it has logged."""
        return (self.root / "log").read_text("utf-8", "replace")


@contextmanager
def postfix(
    pem: bytes, main: str = "", *, postscreen: bool = False, master: str = ""
) -> Iterator[Postfix]:
    """Start one with key and certificate in `pem`; needs root and the Debian package.

    `main` is added to main.cf and prevails there; `master` has further services for master.cf.
    """
    root = Path(tempfile.mkdtemp(prefix="mailcanary-postfix-"))
    try:
        root.chmod(0o755)
        front = _POSTSCREEN if postscreen else _SMTPD
        with reserved_port() as port:
            _configure(root, pem, main, front.format(port=port) + _MASTER + master)
            command = (program("postfix"), "-c", str(root / "conf"))
            subprocess.run((*command, "start"), check=True, capture_output=True, timeout=30)
            try:
                yield Postfix(port, root)
            finally:
                subprocess.run((*command, "stop"), check=True, capture_output=True, timeout=30)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _configure(root: Path, pem: bytes, main: str, master: str) -> None:
    for name in ("conf", "queue", "data"):
        (root / name).mkdir()
    shutil.chown(root / "data", "postfix")
    file = root / "tls.pem"
    file.touch(0o600)
    file.write_bytes(pem)
    (root / "conf" / "main.cf").write_text(_MAIN.format(root=root, pem=file) + main)
    (root / "conf" / "master.cf").write_text(master)
