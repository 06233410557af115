"""Values for the texts from the subject of a finding: host, address, name, list."""

from collections.abc import Mapping

from probes.records import RecordError
from probes.records.dnsbl import domain_query_name, query_name
from probes.records.subject import Subject, SubjectKind, is_address


def subject_values(subject: Subject) -> Mapping[str, str]:
    """Return the placeholders that a subject fills.

    The host of a name is the part behind its labels with an underscore.
    """
    return {"subject": str(subject), **_values(subject)}


def _values(subject: Subject) -> Mapping[str, str]:
    match subject.kind:
        case SubjectKind.PLACE:
            return {"name": subject.host, "host": subject.host, "address": subject.address}
        case SubjectKind.RECORDS:
            name = subject.name
            return {"host": host_of(name), "rdtype": subject.rdtype, "name": name}
        case SubjectKind.LISTING:
            about = _about_entry(subject.name, subject.list)
            return {**_about_name(subject.name), **about}
        case SubjectKind.SIGNATURE:
            return _about_name(f"{subject.selector}._domainkey.{subject.name}")
        case SubjectKind.NAME | SubjectKind.ADDRESS:
            return {"list": str(subject), **_about_name(str(subject))}
        case SubjectKind.WORDS:
            return {}


def host_of(name: str) -> str:
    """`mx.example` of `_25._tcp.mx.example`; a name without underscores is its own."""
    labels = name.split(".")
    marked = [number for number, label in enumerate(labels) if label.startswith("_")]
    return ".".join(labels[marked[-1] + 1 :]) or name if marked else name


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
