"""One YAML file to a Config, or every problem in it with its line."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError, Problem, load, parse
from exporter.config.yaml_reader import MAX_BYTES
from exporter.model import Config, Server
from probes.options import Secret
from tests.support.places import ROOT

FOLDER = Path(__file__).parent / "bad_configs"
BAD_CONFIGS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
FIRST_PATH = ROOT / "docs" / "examples" / "first-path.yaml"
SECRET = "hunter2"
ENVIRON = {"EMPTY_VARIABLE": "", "SMTP_PASSWORD": SECRET, "IMAP_PASSWORD": SECRET}
JOB = "jobs: {example: {kind: mx, domain: example.test}}\n"
PATH = """\
routes: {out: {type: submission, host: smtp.example.test}}
mailboxes:
  inbox: {type: imap, host: imap.example.test, username: canary, password: %s}
paths:
  example: {route: out, mailbox: inbox, mail_from: a@example.test, rcpt_to: b@example.test}
"""


def named() -> str:
    return "probe.example.test"


def parsed(text: str, source: str = "/etc/mailcanary/c.yaml") -> Config:
    return parse(text, source, ENVIRON, name_of_machine=named)


def problems_of(text: str, source: str = "c.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parsed(text, source)
    return [str(problem) for problem in caught.value.problems]


def problems_in(path: Path) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON, name_of_machine=named)
    return list(caught.value.problems)


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_a_bad_config_gets_exactly_these_messages(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)
    expected = Path(f"{name}.expected").read_text()
    with pytest.raises(ConfigError) as caught:
        load(Path(f"{name}.yaml"), ENVIRON, name_of_machine=named)
    assert f"{caught.value}\n" == expected
    lines = [problem.line or 0 for problem in caught.value.problems]
    assert lines == sorted(lines)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_every_expectation_has_its_config() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.expected")) == BAD_CONFIGS


def test_a_file_that_is_not_there_is_one_problem_without_a_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    assert list(map(str, problems_in(path))) == [
        f"{path}: cannot be read: No such file or directory"
    ]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert list(map(str, problems_in(tmp_path))) == [f"{tmp_path}: cannot be read: Is a directory"]


@pytest.fixture
def _as_a_user_to_whom_file_modes_apply() -> Iterator[None]:
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield
    if is_root:
        os.seteuid(0)


@pytest.fixture
def closed_file(tmp_path: Path) -> Path:
    path = tmp_path / "closed"
    path.write_text(JOB)
    path.chmod(0)
    return path


@pytest.mark.usefixtures("closed_file", "_as_a_user_to_whom_file_modes_apply")
def test_files_that_we_may_not_read_are_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    assert list(map(str, problems_in(closed))) == [f"{closed}: cannot be read: Permission denied"]
    assert problems_of(f"ca_file: {closed}\n" + PATH % f"{{file: {closed}}}") == [
        f"c.yaml:1: ca_file: cannot read {closed}: Permission denied",
        f"c.yaml:4: mailboxes.inbox.password: cannot read {closed}: Permission denied",
    ]


def test_a_file_above_the_bound_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(JOB + "#" * MAX_BYTES)
    assert list(map(str, problems_in(path))) == [f"{path}: is larger than {MAX_BYTES} bytes"]


def test_a_file_at_the_bound_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(JOB + "#" * (MAX_BYTES - len(JOB)))
    assert list(load(path, {}, name_of_machine=named).jobs) == ["example"]


def test_a_byte_order_mark_is_no_problem() -> None:
    assert list(parsed("\ufeff" + JOB).jobs) == ["example"]


def test_the_first_path_is_read_as_it_stands_in_the_documentation() -> None:
    config = load(FIRST_PATH, ENVIRON)
    path = config.paths["outbound"]
    assert path.route is config.routes["relay"]
    assert path.mailbox is config.mailboxes["inbox"]
    assert (path.route.kind, path.route.target.host) == ("submission", "smtp.example.com")
    assert path.route.target.password == Secret(SECRET)
    assert (path.message.mail_from, path.message.rcpt_to) == (
        "canary@example.com",
        "canary@example.net",
    )
    assert (path.every, path.deadline, path.late_after, path.lost_after) == (300, 60, 60, 900)
    assert config.service.ehlo_name == "probe.example.com"
    assert config.source == str(FIRST_PATH)


def test_unset_service_options_have_their_defaults() -> None:
    service = parsed(JOB).service
    assert (service.listen_address, service.listen_port) == ("127.0.0.1", 10587)
    assert service.ledger == "/etc/mailcanary/mailcanary.sqlite"
    assert service.ehlo_name == "probe.example.test"
    assert service.resolvers is None
    assert (service.max_concurrent, service.max_concurrent_per_host) == (50, 1)
    assert service.keep_runs == 14 * 86400


def test_service_options_are_read() -> None:
    text = """\
ehlo_name: "[IPv6:2001:db8:0::1]"
listen: "[::]:0"
ledger: sqlite:////var/lib/mailcanary/canaries
resolvers: [192.0.2.53, "192.0.2.54:5353", "2001:db8::53", "[2001:db8:0::54]:54"]
source_address: 192.0.2.1
keep_runs: 1d
"""
    service = parsed(text + JOB).service
    assert service.ehlo_name == "[IPv6:2001:db8::1]"
    assert (service.listen_address, service.listen_port) == ("::", 0)
    assert service.ledger == "sqlite:////var/lib/mailcanary/canaries"
    assert service.resolvers == (
        Server("192.0.2.53", 53),  # type: ignore[arg-type]
        Server("192.0.2.54", 5353),  # type: ignore[arg-type]
        Server("2001:db8::53", 53),  # type: ignore[arg-type]
        Server("2001:db8::54", 54),  # type: ignore[arg-type]
    )
    assert service.source_address == "192.0.2.1"
    assert service.keep_runs == 86400


def test_the_resolvers_of_the_system_can_be_asked_for_by_name() -> None:
    assert parsed("resolvers: system\n" + JOB).service.resolvers is None


def test_a_relative_ledger_stands_beside_the_configuration() -> None:
    assert parsed("ledger: data/l.db\n" + JOB).service.ledger == "/etc/mailcanary/data/l.db"


@pytest.mark.parametrize("name", ["probe", "localhost", "localhost.localdomain", "a b.test", ""])
def test_a_machine_without_a_proper_name_must_be_given_one(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(JOB, "c.yaml", {}, name_of_machine=lambda: name)
    assert str(caught.value) == (
        "c.yaml:1: ehlo_name: is required: this machine has no fully qualified name; "
        "write the name under which others know it"
    )


def test_the_machine_is_not_asked_for_its_name_where_nothing_needs_it() -> None:
    def unasked() -> str:
        raise AssertionError("asked")

    text = "jobs: {a: {kind: mx, domain: a.test, ehlo_name: probe.example.test}}"
    assert parse(text, "c.yaml", {}, name_of_machine=unasked).jobs["a"].target.domain == "a.test"
    asks_dns = "jobs: {a: {kind: sender, domain: a.test}}"
    assert parse(asks_dns, "c.yaml", {}, name_of_machine=unasked).jobs["a"].target.ehlo_name is None
    named_above = parse("ehlo_name: p.example.test\n" + JOB, "c", {}, name_of_machine=unasked)
    assert named_above.service.ehlo_name == "p.example.test"


@pytest.mark.parametrize(
    ("written", "content", "secret"),
    [
        ("literal", None, "literal"),
        ('"${SMTP_PASSWORD}"', None, SECRET),
        ("{file: password}", b"from a file\n", "from a file"),
        ("{file: password}", b"crlf\r\n", "crlf"),
        ("{file: password}", b"no line end", "no line end"),
        ("{file: password}", b" two\nlines \n\n", " two\nlines \n"),
        ("{file: password}", "größe\n".encode(), "größe"),
    ],
)
def test_a_secret_is_a_literal_a_variable_or_a_file(
    written: str, content: bytes | None, secret: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    config = parsed(PATH % written, str(tmp_path / "c.yaml"))
    assert config.mailboxes["inbox"].target.password.reveal() == secret


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\n", "is not UTF-8 text"),
        (b"a\0b", "is not text"),
        (b"x" * 65537, "is larger than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_bytes(content)
    (problem,) = problems_of(PATH % "{file: password}", str(tmp_path / "c.yaml"))
    assert problem.startswith(f"{tmp_path}/c.yaml:3: mailboxes.inbox.password: ")
    assert problem.endswith(message)


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "password")
    (problem,) = problems_of(PATH % "{file: password}", str(tmp_path / "c.yaml"))
    assert problem.endswith(f"{tmp_path}/password is not a regular file")


def test_no_rendering_of_a_config_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET)
    for written in (SECRET, '"${SMTP_PASSWORD}"', "{file: password}"):
        config = parsed(PATH % written, str(tmp_path / "c.yaml"))
        for text in (repr(config), str(config), f"{config.mailboxes['inbox'].target}"):
            assert "password=***" in text
            assert SECRET not in text


@pytest.mark.parametrize(
    "written",
    [
        f"[{SECRET}]",
        f"{{{SECRET}: 1}}",
        f"{{file: 1, {SECRET}: {SECRET}}}",
        f'"${{{SECRET}"',
        f'"{SECRET}${{NO_SUCH_VARIABLE}}"',
        f"!{SECRET} x",
        f"*{SECRET}",
        f"@{SECRET}",
        f"&{SECRET} &{SECRET} x",
        f"{SECRET}: {SECRET}",
        f'"{SECRET}\\q"',
        f'"{SECRET}\\0"',
        f"'{SECRET}",
        f"[{SECRET}",
        f"| {SECRET}",
        f'"${{SMTP_PASSWORD}}", tls: {SECRET}',
        f'"${{SMTP_PASSWORD}}", host: {SECRET} {SECRET}',
        f'"${{SMTP_PASSWORD}}", port: {SECRET}',
    ],
)
def test_no_message_and_no_traceback_quotes_a_value(written: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(PATH % written)
    for error in (caught.value, caught.value.__context__):
        if error is not None:
            assert SECRET not in "".join(traceback.format_exception(error))
    assert SECRET not in repr(caught.value.problems)


def test_names_of_all_sections_are_kept_in_the_order_of_the_file() -> None:
    text = "jobs:\n" + "".join(f"  {n}: {{kind: mx, domain: a.test}}\n" for n in ("z", "a", "m"))
    assert list(parsed(text).jobs) == ["z", "a", "m"]


def test_a_thousand_paths_are_read() -> None:
    names = [f"path-{number}" for number in range(1000)]
    lines = "".join(f"  {name}: *first\n" for name in names)
    text = (PATH % "secret").replace("example: {route", "example: &first {route")
    assert set(parsed(text + lines).paths) == {"example", *names}


def test_of_very_many_problems_the_first_are_listed_and_the_rest_is_mentioned() -> None:
    lines = [f"  r{number}: {{type: direct, prt: 1}}" for number in range(2000)]
    problems = problems_of("\n".join(["routes:", *lines]))
    assert len(problems) == 501
    assert problems[0] == 'c.yaml:2: routes.r0.prt: unknown option; did you mean "port"?'
    assert problems[500] == "c.yaml:502: more than 500 problems, not all of them are listed"


@given(st.text())
def test_any_text_gives_a_config_or_a_config_error(text: str) -> None:
    try:
        parsed(text)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is right


@given(st.data())
def test_any_damage_to_a_good_file_gives_a_config_or_a_config_error(data: st.DataObject) -> None:
    text = FIRST_PATH.read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    inserted = data.draw(st.text(alphabet="ab1:-[]{},&*<'\"|>!%$# \n\t", max_size=8))
    damaged = text[:start] + inserted + text[end:]
    try:
        parsed(damaged)
    except ConfigError as error:
        last = damaged.count("\n") + 1
        assert all(1 <= (problem.line or 0) <= last for problem in error.problems)  # noqa: PT017


@given(st.binary(max_size=200))
def test_any_bytes_give_a_config_or_a_config_error(content: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    try:
        load(Path(f"/dev/fd/{reading}"), ENVIRON, name_of_machine=named)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is right
    finally:
        os.close(reading)
