"""Which addresses can be a host's on the Internet."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.special_addresses import is_link_local_or_metadata, special_use


@pytest.mark.parametrize(
    ("address", "use"),
    [
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", None),
        ("100.64.0.1", "shared by a carrier's customers"),
        ("127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("169.254.169.254", "link-local"),
        ("192.0.2.1", "documentation"),
        ("255.255.255.255", "broadcast"),
        ("8.8.8.8", None),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:8.8.8.8", "an IPv4 address within IPv6"),
        ("fd00::1", "private"),
        ("fe80::1", "link-local"),
        ("3fff::1", "documentation"),
        ("2001:db8::1", "documentation"),
        ("2001:4860:4860::8888", None),
    ],
)
def test_an_address_is_named_by_its_registry(address: str, use: str | None) -> None:
    assert special_use(address) == use


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="liar"):
        special_use("liar.test")


@given(st.ip_addresses())
def test_whatever_python_calls_private_or_multicast_is_special_here_too(address: object) -> None:
    parsed = ip_address(str(address))
    if parsed.is_loopback or parsed.is_multicast or parsed.is_link_local:
        assert special_use(str(parsed)) is not None


OURS_ALONE = {
    "169.254.169.254": True,
    "::ffff:169.254.169.254": True,
    "64:ff9b::a9fe:a9fe": True,
    "fe80::1": True,
    "fd00:ec2::254": True,
    "100.100.100.200": True,
    "0.0.0.0": True,
    "::": True,
    "224.0.0.1": True,
    "192.0.2.1": False,
    "10.0.0.1": False,  # an internal policy host of an internal mail domain
    "127.0.0.1": False,
    "64:ff9b::c000:201": False,
    "2001:db8::1": False,
}


@pytest.mark.parametrize("address", OURS_ALONE)
def test_addresses_that_speak_to_this_machine_alone_are_told_in_every_spelling(
    address: str,
) -> None:
    assert is_link_local_or_metadata(address) is OURS_ALONE[address]
