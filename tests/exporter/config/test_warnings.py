"""What can be used and will hardly work is warned of: ports, and secrets with odd ends."""

from pathlib import Path

import pytest

from exporter.config import ConfigError, parse
from tests.exporter.test_cli import GOOD

ODD = (" pw", "pw ", "pw\t", "p\nw", "pw\u00a0", "pw\n\n", '"pw"', "'p'", "p\u200bw")
SECRET = GOOD.replace("password: p", 'password: "${WORD}"')


PORTLESS = SECRET.replace(", port: 1, tls: none", "", 2)


def warnings(mailbox: str = "", route: str = "", word: str = "pw") -> tuple[str, ...]:
    text = PORTLESS.replace("type: imap,", f"type: imap, {mailbox}")
    text = text.replace("type: submission,", f"type: submission, {route}")
    return parse(text, "c.yaml", {"WORD": word}).warnings


@pytest.mark.parametrize(
    ("options", "is_warned"),
    [
        ("port: 465, tls: starttls", True),
        ("port: 465, tls: none", True),
        ("port: 465, tls: implicit", False),
        ("port: 587, tls: implicit", True),
        ("port: 587, tls: starttls", False),
        ("port: 587, tls: none", False),
        ("port: 25, tls: implicit", True),
        ("port: 2525, tls: implicit", False),
        ("port: 465", True),
        ("tls: implicit", True),
    ],
)
def test_a_route_whose_port_is_for_the_other_tls_is_warned_of(
    options: str, is_warned: object
) -> None:
    found = warnings(route=f"{options},")
    assert bool(found) == is_warned
    assert all("routes.out.tls" in one and one.startswith("c.yaml:4") for one in found)


@pytest.mark.parametrize(
    ("options", "is_warned"),
    [
        ("port: 143", True),
        ("port: 143, tls: implicit", True),
        ("port: 143, tls: starttls", False),
        ("port: 993, tls: starttls", True),
        ("tls: starttls", True),
        ("port: 10143, tls: implicit", False),
    ],
)
def test_a_mailbox_whose_port_is_for_the_other_tls_is_warned_of(
    options: str, is_warned: object
) -> None:
    assert bool(warnings(mailbox=f"{options},")) == is_warned


@pytest.mark.parametrize("word", ["pw\n", "pw\r\n", "\ufeffpw", "\ufeffpw\n"])
def test_a_line_end_and_a_byte_order_mark_are_no_part_of_a_secret(word: str) -> None:
    config = parse(SECRET, "c.yaml", {"WORD": word})
    assert config.mailboxes["inbox"].target.password.reveal() == "pw"
    assert config.warnings == ()


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfpw\n", b"pw\r\n", b"\xef\xbb\xbfpw"])
def test_they_are_none_in_a_file_either(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "word").write_bytes(content)
    text = GOOD.replace("password: p", "password: {file: word}")
    config = parse(text, str(tmp_path / "c.yaml"), {})
    assert config.mailboxes["inbox"].target.password.reveal() == "pw"


@pytest.mark.parametrize("word", ODD)
def test_a_secret_with_odd_ends_is_warned_of_and_never_quoted(word: str) -> None:
    (found,) = warnings(word=word)
    assert "mailboxes.inbox.password" in found
    assert word.strip() not in found


@pytest.mark.parametrize("word", ["pw", "p w", "pässwörd", "a'b", "$ecret", "x" * 200])
def test_a_usual_secret_is_not_warned_of(word: str) -> None:
    assert warnings(word=word) == ()


@pytest.mark.parametrize(
    "line",
    [
        "  inbox: {type: imap, host: a.test, username: u, password: ${WORD}}",
        "  inbox: {type: imap, host: a.test, username: ${WORD}, password: p}",
        "  inbox: {password: ${WORD}, type: imap, host: a.test}",
        "  inbox: {type: imap, folders: [${WORD}], host: a.test}",
    ],
)
def test_a_variable_in_braces_without_quotes_has_its_own_hint(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"mailboxes:\n{line}\n", "c.yaml", {"WORD": "x"})
    assert (
        "c.yaml:2: not YAML: ${...} stands inside { } or [ ] without quotes; put it in quotes"
        in str(caught.value)
    )


@pytest.mark.parametrize("site", ["Berlin", "", "a-b", "x" * 17, "a b"])
def test_a_site_is_a_short_plain_word(site: str) -> None:
    with pytest.raises(ConfigError, match="site: must be"):
        parse(f'site: "{site}"\n{GOOD}', "c.yaml", {})
    assert parse(f"site: berlin2\n{GOOD}", "c.yaml", {}).paths["out-in"].site == "berlin2"
