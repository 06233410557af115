"""`serve --web.config.file` on real sockets: TLS, client certificates, logins, headers, reloads."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme

from exporter.app import reload_both, serving
from exporter.config import ConfigError, load
from exporter.config.web_file import load_web_config
from exporter.ledger.ledger import Ledger
from exporter.service.service import Service
from exporter.web.gate import Logins
from exporter.web.web_settings import WebSettings
from probes.clock import SYSTEM_CLOCK
from tests.support.processes import mailcanary
from tests.support.serving import QUIET

HASH = "$2b$04$2RxFpTRpd2FS1ARGnG239O1Ku35hVIdn0vrSufLNEJ0Khj0pkhexC"
"""Of the password `secret`; the least cost."""

USERS = f"basic_auth_users:\n  prom: {HASH}\n"
TLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
PAGES = ("/", "/metrics", "/probe", "/-/healthy", "/-/ready", "/-/reload", "/nothing")


@dataclass
class Rig:
    url: str
    service: Service
    web: WebSettings
    file: Path

    def client(self, **options: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, trust_env=False, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def rig(folder: Path, web_text: str, more: str = "") -> AsyncIterator[Rig]:
    file, web_file = folder / "mailcanary.yaml", folder / "web.yaml"
    file.write_text(QUIET.format(port=0, ledger=folder / "ledger.sqlite") + more)
    web_file.write_text(web_text)
    web = WebSettings.of(web_file)
    ledger = await Ledger.open(str(folder / "ledger.sqlite"), SYSTEM_CLOCK)
    service = Service(load(file), ledger)
    async with serving(service, "127.0.0.1", 0, web=web) as url:
        yield Rig(url, service, web, web_file)
    await ledger.close()


def certify(folder: Path, authority: trustme.CA) -> None:
    """Write a certificate for 127.0.0.1 and its key."""
    issued = authority.issue_cert("127.0.0.1")
    (folder / "cert.pem").write_bytes(b"".join(b.bytes() for b in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))


def trusting(authority: trustme.CA, client: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client is not None:
        client.issue_cert("prometheus").configure_cert(context)
    return context


# Logins


async def test_every_page_but_the_health_pages_asks_for_a_login(tmp_path: Path) -> None:
    async with rig(tmp_path, USERS) as one, one.client() as client:
        told = {page: (await client.get(page)).status_code for page in PAGES}
        assert {page for page, status in told.items() if status != 401} == {
            "/-/healthy",
            "/-/ready",
        }
        assert (await client.get("/metrics")).headers["www-authenticate"].startswith("Basic ")
        assert (await client.get("/metrics", auth=("prom", "secret"))).status_code == 200


async def test_the_option_puts_the_health_pages_behind_the_login_too(tmp_path: Path) -> None:
    async with rig(tmp_path, USERS, "health_without_login: false\n") as one, one.client() as client:
        assert {(await client.get(page)).status_code for page in PAGES} == {401}
        assert (await client.get("/-/healthy", auth=("prom", "secret"))).status_code == 200


@pytest.mark.parametrize(
    ("user", "password"),
    [("prom", "wrong"), ("nobody", "secret"), ("", ""), ("prom", ""), ("prom", "secret" * 100)],
)
async def test_a_wrong_login_is_refused_and_locks_nobody_out(
    tmp_path: Path, user: str, password: str
) -> None:
    async with rig(tmp_path, USERS) as one, one.client() as client:
        for _ in range(3):
            assert (await client.get("/metrics", auth=(user, password))).status_code == 401
        assert (await client.get("/metrics", auth=("prom", "secret"))).status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!", "Basic /w==", "Basic AAAA", "Bearer x", "basic cHJvbQ=="]
)
async def test_a_header_that_is_no_login_is_refused(tmp_path: Path, header: str) -> None:
    async with rig(tmp_path, USERS) as one, one.client() as client:
        answer = await client.get("/metrics", headers={"Authorization": header})
        assert answer.status_code == 401


async def test_a_password_of_more_octets_than_bcrypt_reads_is_wrong() -> None:
    users = {"u": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))}
    logins = Logins()
    good, long = httpx.BasicAuth("u", "x" * 72), httpx.BasicAuth("u", "x" * 73)
    assert await logins.is_good(users, good._auth_header)
    assert not await logins.is_good(users, long._auth_header)


async def test_a_known_login_is_not_checked_again_and_a_changed_hash_is() -> None:
    logins, header = Logins(), httpx.BasicAuth("u", "p")._auth_header
    users = {"u": bcrypt.hashpw(b"p", bcrypt.gensalt(4))}
    assert await logins.is_good(users, header)
    async with logins._turn:  # whoever is to be checked waits here
        assert await asyncio.wait_for(logins.is_good(users, header), 5)
    assert not await logins.is_good({"u": bcrypt.hashpw(b"q", bcrypt.gensalt(4))}, header)


async def test_a_user_that_does_not_exist_is_checked_like_one_that_does() -> None:
    logins, users = Logins(), {"u": HASH.encode()}
    async with logins._turn:
        for user in ("u", "nobody"):
            header = httpx.BasicAuth(user, "wrong")._auth_header
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(logins.is_good(users, header), 0.05)


# Headers and TLS


async def test_headers_are_on_every_answer(tmp_path: Path) -> None:
    text = USERS + "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    async with rig(tmp_path, text) as one, one.client() as client:
        for page in PAGES:
            assert (await client.get(page)).headers["x-frame-options"] == "deny", page


async def test_tls_is_spoken_and_a_new_certificate_comes_with_a_reload(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    certify(tmp_path, old)
    async with rig(tmp_path, TLS) as one:
        assert one.url.startswith("https://")
        async with one.client(verify=trusting(old)) as client:
            assert (await client.get("/metrics")).status_code == 200
        certify(tmp_path, new)
        assert await reload_both(one.service, one.web) is None
        async with one.client(verify=trusting(new)) as client:
            assert (await client.get("/metrics")).status_code == 200


async def test_a_broken_certificate_keeps_the_old_one(tmp_path: Path) -> None:
    authority = trustme.CA()
    certify(tmp_path, authority)
    async with rig(tmp_path, TLS) as one:
        (tmp_path / "cert.pem").write_text("nonsense")
        problem = await reload_both(one.service, one.web)
        assert problem is not None
        assert problem.is_in_file
        assert "web.yaml:2: tls_server_config: " in problem.text
        async with one.client(verify=trusting(authority)) as client:
            assert (await client.get("/metrics")).status_code == 200


async def test_a_client_without_a_certificate_is_turned_away(tmp_path: Path) -> None:
    authority, clients = trustme.CA(), trustme.CA()
    certify(tmp_path, authority)
    clients.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
    async with rig(tmp_path, TLS + more) as one:
        async with one.client(verify=trusting(authority)) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/metrics")
        async with one.client(verify=trusting(authority, clients)) as client:
            assert (await client.get("/metrics")).status_code == 200


async def test_a_bad_file_at_a_reload_keeps_logins_and_configuration(tmp_path: Path) -> None:
    async with rig(tmp_path, USERS) as one, one.client() as client:
        one.file.write_text("basic_auth_users:\n  prom: plain\n")
        before = one.service.config
        assert await reload_both(one.service, one.web) is not None
        assert one.service.config is before
        assert (await client.get("/metrics", auth=("prom", "secret"))).status_code == 200
        one.file.write_text("")
        assert await reload_both(one.service, one.web) is None
        assert (await client.get("/metrics")).status_code == 200


# Mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: 1\n", "web.yaml:1: x: unknown key"),
        ("[]\n", "web.yaml:1: must be a mapping"),
        ("tls_server_config: [1]\n", "web.yaml:1: tls_server_config: must be a mapping"),
        ("tls_server_config: {}\n", "tls_server_config.cert_file: is required"),
        (TLS + "  cert: x\n", "web.yaml:4: tls_server_config.cert: is not done here"),
        (TLS + "  min_version: TLS10\n", "web.yaml:4: tls_server_config.min_version: "),
        (TLS + "  min_version: TLS13\n  max_version: TLS12\n", "min_version: is above"),
        (TLS + "  client_auth_type: RequireAnyClientCert\n", "without checking it"),
        (TLS + "  client_auth_type: Always\n", "web.yaml:4: tls_server_config.client_auth_type"),
        (TLS + "  client_auth_type: VerifyClientCertIfGiven\n", "client_ca_file: is required"),
        (TLS + "  client_ca_file: cert.pem\n", "is of no use without client_auth_type"),
        (TLS.replace("key.pem", "none.pem"), "web.yaml:3: tls_server_config.key_file: cannot be"),
        (TLS.replace("key.pem", "cert.pem"), "web.yaml:2: tls_server_config: certificate, key"),
        ("basic_auth_users: {u: plain}\n", "web.yaml:1: basic_auth_users.u: must be a bcrypt"),
        (f"basic_auth_users: {{'': {HASH}}}\n", "a user name is not empty"),
        ("http_server_config: {http2: 1}\n", "http2: must be true or false"),
        ("http_server_config: {headers: {X-Other: a}}\n", "headers.X-Other: unknown key"),
        ('http_server_config: {headers: {X-Frame-Options: "a\\nb"}}\n', "one line of ASCII"),
        ("rate_limit: {burst: 1}\n", "rate_limit: is not done here"),
        ("a: [\n", "web.yaml:"),
    ],
)
def test_a_mistake_is_located(tmp_path: Path, text: str, said: str) -> None:
    certify(tmp_path, trustme.CA())
    file = tmp_path / "web.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_web_config(file)
    assert said in str(caught.value)
    assert "plain" not in str(caught.value)


def test_a_mistake_at_the_start_is_exit_code_64(tmp_path: Path) -> None:
    file, web_file = tmp_path / "mailcanary.yaml", tmp_path / "web.yaml"
    file.write_text(QUIET.format(port=0, ledger=tmp_path / "ledger.sqlite"))
    web_file.write_text("basic_auth_user: {}\n")
    done = mailcanary("serve", "-c", str(file), "--web.config.file", str(web_file))
    assert (done.returncode, f"{web_file}:1: basic_auth_user: unknown key" in done.stderr) == (
        64,
        True,
    )
