"""A real Dovecot as a scratch instance: its own folder, user, ports and certificate.

    async with running_dovecot() as dovecot:
        dovecot.deliver("user", message)

Any user may log in with `dovecot.password`; a mailbox comes to be with its first use.
"""

import asyncio
import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import trustme

from tests.servers.real import program
from tests.support.ports import reserved_port
from tests.support.waiting import listens

PASSWORD = "wrapped-secret"
_NUMBERS = count(1)

_CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{home}/mail/%u
mailbox_list_index = yes
disable_plaintext_auth = no
auth_mechanisms = plain login
ssl = yes
ssl_cert = <{home}/certificate.pem
ssl_key = <{home}/key.pem
mail_max_userip_connections = 100
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain_port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """Where it listens on 127.0.0.1; `ca_file` vouches for it and the name `imap.test`."""

    home: Path
    plain_port: int
    tls_port: int
    ca_file: Path
    user: str
    password: str = PASSWORD

    def deliver(self, user: str, message: bytes, folder: str = "INBOX") -> None:
        """Put a message into a folder at once, as Maildir deliveries do."""
        root = self.home / "mail" / user
        maildir = root if folder == "INBOX" else root / f".{folder}"
        if not (maildir / "cur").exists():
            for name in ("tmp", "new", "cur"):
                self._make(maildir / name)
        name = f"{os.getpid()}.{next(_NUMBERS)}.test"
        path = maildir / "tmp" / name
        path.write_bytes(message)
        self._own(path)
        path.rename(maildir / "new" / name)

    async def save(self, user: str, message: bytes, folder: str) -> None:
        """Have Dovecot itself put a message into a folder, as its LMTP and LDA do.

        Its indexes, and whoever asked for NOTIFY, hear of nothing else.
        """
        command = (program("doveadm"), "-c", str(self.home / "dovecot.conf"), "save")
        process = await asyncio.create_subprocess_exec(
            *command, "-u", user, "-m", folder, stdin=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(15):
            await process.communicate(message)
        if process.returncode != 0:
            raise RuntimeError(f"doveadm save ended with {process.returncode}")

    def files(self, user: str) -> list[str]:
        """The names of all message files in INBOX, flags and all, by folder of the Maildir."""
        root = self.home / "mail" / user
        return sorted(
            f"{name}/{path.name}" for name in ("new", "cur") for path in (root / name).iterdir()
        )

    def _make(self, folder: Path) -> None:
        for path in (*reversed(folder.parents), folder):
            if self.home in path.parents and not path.exists():
                path.mkdir(mode=0o700)
                self._own(path)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, self.user)


@asynccontextmanager
async def running_dovecot(extra: str = "") -> AsyncIterator[Dovecot]:
    """Start Dovecot and stop it. As root it runs under `nobody`, who may own mail.

    `extra` is added to its configuration and prevails there.
    """
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    try:
        with reserved_port() as plain_port, reserved_port() as tls_port:
            dovecot = _configured(home, user, plain_port, tls_port, extra)
            process = _started(home, user)
            try:
                async with asyncio.timeout(15):
                    await _accepting(dovecot, process)
                yield dovecot
            finally:
                process.terminate()
                await asyncio.to_thread(process.wait, 15)
    finally:
        shutil.rmtree(home)


def _started(home: Path, user: pwd.struct_passwd) -> subprocess.Popen[bytes]:
    command = [program("dovecot"), "-F", "-c", str(home / "dovecot.conf")]
    if os.geteuid() != 0:
        return subprocess.Popen(command)
    return subprocess.Popen(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[])


def _configured(
    home: Path, user: pwd.struct_passwd, plain_port: int, tls_port: int, extra: str
) -> Dovecot:
    ca = trustme.CA()
    certificate = ca.issue_cert("imap.test", "127.0.0.1")
    certificate.private_key_pem.write_to_path(str(home / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(home / "certificate.pem"), append=True)
    ca.cert_pem.write_to_path(str(home / "ca.pem"))
    for name in ("run", "state", "mail"):
        (home / name).mkdir()
    (home / "dovecot.conf").write_text(
        _CONFIG.format(
            home=home,
            user=user.pw_name,
            group=_group(user.pw_gid),
            password=PASSWORD,
            plain_port=plain_port,
            tls_port=tls_port,
        )
        + extra,
        "ascii",
    )
    if os.geteuid() == 0:
        for path in (home, *home.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    return Dovecot(home, plain_port, tls_port, home / "ca.pem", user.pw_name)


def _group(gid: int) -> str:
    return grp.getgrgid(gid).gr_name


async def _accepting(dovecot: Dovecot, process: subprocess.Popen[bytes]) -> None:
    """Wait until both ports take connections."""
    for port in (dovecot.plain_port, dovecot.tls_port):
        while not await listens(port):
            if process.poll() is not None:
                raise RuntimeError(f"dovecot ended: {(dovecot.home / 'log').read_text()}")
            await asyncio.sleep(0.02)
