"""What the subject of a finding, or of a failure, says to a program: host, address, name, list."""

import re
from collections.abc import Mapping
from ipaddress import ip_address

from probes.records import RecordError
from probes.records.dnsbl import domain_query_name, query_name

_PLACE = re.compile(r"(?P<host>\S{1,255}) \[(?P<address>[0-9A-Fa-f:.]{2,45})\]")
_RECORDS = re.compile(r"(?P<rdtype>[A-Z]{1,10}) of (?P<name>\S{1,255})")
_ENTRY = re.compile(r"(?P<name>\S{1,255}) at (?P<list>\S{1,255})")
_SIGNATURE = re.compile(r"d=(?P<domain>\S{1,255}) s=(?P<selector>\S{1,255})")
_NAME = re.compile(r"\S{1,255}")


def subject_values(subject: str) -> Mapping[str, str]:
    """The placeholders that a subject fills.

    It is `host [address]`, `TXT of name`, `address at list`, `d=domain s=selector`, an address or
    a name; of anything else it is itself only. The host of a name is what is behind its labels
    with an underscore.
    """
    return {"subject": subject, **_values(subject)}


def _values(subject: str) -> Mapping[str, str]:
    if found := _PLACE.fullmatch(subject):
        return {"name": found["host"], **found.groupdict()}
    if found := _RECORDS.fullmatch(subject):
        return {"host": host_of(found["name"]), **found.groupdict()}
    if found := _ENTRY.fullmatch(subject):
        return {**_about_name(found["name"]), **_about_entry(**found.groupdict())}
    if found := _SIGNATURE.fullmatch(subject):
        return _about_name(f"{found['selector']}._domainkey.{found['domain']}")
    if _NAME.fullmatch(subject):
        return {"list": subject, **_about_name(subject)}
    return {}


def host_of(name: str) -> str:
    """`mx.example` of `_25._tcp.mx.example`; a name without underscores is its own."""
    labels = name.split(".")
    marked = [number for number, label in enumerate(labels) if label.startswith("_")]
    return ".".join(labels[marked[-1] + 1 :]) or name if marked else name


def is_address(text: str) -> bool:
    """True for an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _about_name(name: str) -> Mapping[str, str]:
    if is_address(name):
        return {"address": name, "name": name}
    values = {"name": name, "host": host_of(name)}
    return values | ({"tlsa_name": name} if "._tcp." in name else {})


def _about_entry(name: str, list: str) -> Mapping[str, str]:  # noqa: A002 - a placeholder's name
    try:
        entry = query_name(name, list)
    except RecordError:
        entry = domain_query_name(name, list)
    return {"list": list, "entry": entry}
