"""Which addresses can be a host's on the Internet."""

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.special_addresses import (
    Danger,
    danger_of,
    is_metadata_name,
    special_use,
)


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


DANGERS = {
    **dict.fromkeys(
        (
            *("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23"),
            *("fd00:ec2::253", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
            *("fd00:a9fe:a9fe::1", "::ffff:168.63.129.16", "64:ff9b::100.100.100.200"),
            *("2002:a83f:8110::1", "fdab::a83f:8110"),
        ),
        Danger.METADATA,
    ),
    **dict.fromkeys(
        (
            *("169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.23", "fe80::1"),
            *("fe80::a9fe:a9fe", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
            *("2002:a9fe:a9fe::1", "::169.254.169.254", "::ffff:0:169.254.169.254"),
            *("64:ff9b:1::a9fe:a9fe", "2001:0:a9fe:a9fe::1", "2001:0:808:808:0:0:5601:5601"),
            *("2001:db8::5efe:169.254.169.254", "2001:db8::200:5efe:a9fe:a9fe"),
            *("fdff::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::"),
        ),
        Danger.LINK_LOCAL,
    ),
    **dict.fromkeys(
        (
            *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::", "::1"),
            *(
                "::ffff:127.0.0.1",
                "::127.0.0.1",
                "64:ff9b::7f00:1",
                "2002:7f00:1::",
                "::ffff:0.0.0.0",
            ),
        ),
        Danger.LOOPBACK,
    ),
    **dict.fromkeys(("224.0.0.1", "ff02::1", "::ffff:224.0.0.251"), Danger.MULTICAST),
    **dict.fromkeys(
        (
            *("10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fd00::1", "fc00::25"),
            *("192.0.2.1", "8.8.8.8", "2001:db8::1", "64:ff9b::c000:201", "2002:808:808::1"),
            *("2001:0:808:808:0:0:f7f7:f7f7", "192.0.0.193", "168.63.129.17", "fd12:3456::a00:1"),
            *("64:ff9b:1::808:808", "64:ff9b:1:c000:2:100::"),
        ),
        None,
    ),
}


@pytest.mark.parametrize("address", DANGERS)
def test_addresses_that_lead_to_no_other_machine_are_told_in_every_spelling(address: str) -> None:
    assert danger_of(address) is DANGERS[address]


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_dangerous_in_every_ipv6_form(address: IPv4Address) -> None:
    bits = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
    forms = (f"::ffff:{bits}", f"64:ff9b::{bits}", f"2002:{bits}::1", f"::ffff:0:{bits}")
    danger = danger_of(str(address))
    assert {danger_of(form) for form in forms} == {danger}


@pytest.mark.parametrize("name", ["metadata.google.internal", "Metadata.", "instance-data"])
def test_names_of_metadata_services_are_known(name: str) -> None:
    assert is_metadata_name(name)
    assert not is_metadata_name(f"mx.{name}")
