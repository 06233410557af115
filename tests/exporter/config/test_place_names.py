"""What the monitor is called from outside: its vantage and its external address."""

import pytest

from exporter.config import ConfigError, parse

TEXT = """\
%s
ehlo_name: probe.example.com
jobs:
  mx: {kind: mx, domain: example.net}
"""


def read(line: str) -> tuple[str, str | None]:
    service = parse(TEXT % line, "here", {}).service
    return service.vantage, service.external_url


def test_unset_the_vantage_is_main_and_there_is_no_address() -> None:
    assert read("") == ("main", None)


@pytest.mark.parametrize("name", ["berlin", "eu-west-1", "Rack_7.b", "0", "x" * 63])
def test_a_vantage_is_a_short_name(name: str) -> None:
    assert read(f"vantage: '{name}'")[0] == name


@pytest.mark.parametrize("name", ["", "-x", "a b", "ä", "x" * 64, 'a"', "a\\nb", "a{", "a/b"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="here:1: vantage: must be"):
        read(f'vantage: "{name}"' if '"' not in name else f"vantage: '{name}'")


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://canary.example.com", "https://canary.example.com"),
        ("https://canary.example.com/", "https://canary.example.com"),
        ("HTTP://Canary.Example.com:8080/mail/", "http://canary.example.com:8080/mail"),
        ("http://localhost:10587", "http://localhost:10587"),
        ("http://192.0.2.1", "http://192.0.2.1"),
        ("http://[2001:DB8::1]:80/a/b", "http://[2001:db8::1]:80/a/b"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
    ],
)
def test_an_external_address_is_that_of_a_web_server(written: str, used: str) -> None:
    assert read(f"external_url: '{written}'")[1] == used


@pytest.mark.parametrize(
    "written",
    [
        "",
        "canary.example.com",
        "//canary.example.com",
        "ftp://canary.example.com",
        "https://",
        "https:///x",
        "https://u:p@canary.example.com",
        "https://canary.example.com?x=1",
        "https://canary.example.com/#top",
        "https://canary.example.com:0",
        "https://canary.example.com:99999",
        "https://canary.example.com:x",
        "https://[::1",
        "https://[::gg]/",
        "https://a b/",
        'https://a.example/"x',
        "https://a.example/<x>",
        "javascript:alert(1)",
    ],
)
def test_other_addresses_are_refused(written: str) -> None:
    with pytest.raises(ConfigError, match="here:1: external_url: "):
        read(f"external_url: '{written}'")
