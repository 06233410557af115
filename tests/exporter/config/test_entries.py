"""Dataclasses of options to what the file may hold, whatever a kind declares."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from exporter.config.entries import options_of, read_entry
from exporter.config.problems import Report
from exporter.config.values import Reading
from exporter.config.yaml_reader import read_yaml
from exporter.model import Server
from probes.options import (
    Domain,
    EmailAddress,
    FilePath,
    Host,
    IpAddress,
    Port,
    Seconds,
    Secret,
    given,
    option,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One option of every type."""

    text: str = option("Text.", "")
    flag: bool = option("Flag.", False)
    count: int = option("Count.", 0)
    ratio: float = option("Ratio.", 0.0)
    wait: Seconds = option("Wait.", Seconds(0.25))
    port: Port = option("Port.", Port(25))
    host: Host = option("Host.", Host("localhost"))
    domain: Domain | None = option("Domain.", None)
    address: EmailAddress | None = option("Address.", None)
    ip: IpAddress | None = option("IP.", None)
    file: FilePath | None = option("File.", None)
    secret: Secret | None = option("Secret.", None)
    mode: Literal["one", "two"] = option("Mode.", "one")
    names: tuple[str, ...] = option("Names.", ())
    waits: tuple[Seconds, ...] | None = option("Waits.", (Seconds(1.0), Seconds(300.0)))
    keep: Literal["never"] | Seconds = option("Keep.", "never")


def read(shape: type, text: str) -> tuple[Any, list[str]]:
    report = Report("f.yaml")
    reading = Reading({"PASSWORD": "hunter2"}, Path(__file__).parent)
    entry = read_entry((shape,), read_yaml(text, report), (), reading, report)
    return (None if entry is None else entry[0]), [str(problem) for problem in report.problems]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("text: 'a\n\n  b'", "text", "a\nb"),
        ("flag: true", "flag", True),
        ("count: 7", "count", 7),
        ("ratio: 1", "ratio", 1.0),
        ("ratio: 0.5", "ratio", 0.5),
        ("wait: 250ms", "wait", 0.25),
        ("wait: 1.5h", "wait", 5400.0),
        ("wait: 2d", "wait", 172800.0),
        ("port: 65535", "port", 65535),
        ("host: Mail.Example.TEST.", "host", "mail.example.test"),
        ("host: mail_server", "host", "mail_server"),
        ("host: 2001:DB8:0::1", "host", "2001:db8::1"),
        ("host: straße.test", "host", "xn--strae-oqa.test"),
        ("domain: Bücher.test", "domain", "xn--bcher-kva.test"),
        ("address: O'Neil+x@Bücher.test", "address", "O'Neil+x@xn--bcher-kva.test"),
        ("address: 'a@[192.0.2.1]'", "address", "a@[192.0.2.1]"),
        ("ip: 192.0.2.1", "ip", "192.0.2.1"),
        ("file: test_entries.py", "file", __file__),
        ("secret: ${PASSWORD}", "secret", Secret("hunter2")),
        ("secret: p$ss{word}", "secret", Secret("p$ss{word}")),
        ("secret: ", "secret", None),
        ("mode: two", "mode", "two"),
        ("names: []", "names", ()),
        ("names: [a, b]", "names", ("a", "b")),
        ("waits: [1m, 2m]", "waits", (60.0, 120.0)),
        ("waits: null", "waits", None),
        ("keep: never", "keep", "never"),
        ("keep: 1h", "keep", 3600.0),
    ],
)
def test_every_type_of_option_is_read(text: str, name: str, value: object) -> None:
    sample, problems = read(Sample, text)
    assert problems == []
    assert getattr(sample, name) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("names: a", "names: must be a list"),
        ("names: null", "names: must be a list"),
        ("names: [a, 1]", "names[1]: must be text; put it in quotes"),
        ("waits: [1m, 2]", "waits[1]: a duration needs a unit"),
        ("keep: always", "keep: must be a duration"),
        ("mode: null", "mode: must be one or two"),
        ("flag: 1", "flag: must be true or false"),
        ("count: true", "count: must be a whole number from 0 to 2147483647"),
        ("count: -1", "count: must be a whole number from 0 to 2147483647"),
        ("ratio: -0.5", "ratio: must be a number, 0 or more"),
        ("ratio: true", "ratio: must be a number, 0 or more"),
        ("host: null", "host: must be text"),
        ("host: -mail.test", "host: must be a host name or an IP address"),
        ("file: .", "is not a regular file"),
        ('file: "a\\0b"', "file: holds a control character"),
        ('secret: "a\\0b"', "secret: is not text"),
        ("domain: a_b.test", "domain: must be a domain name"),
        ("[]", "must be a mapping of options"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(text: str, problem: str) -> None:
    sample, problems = read(Sample, text)
    assert sample is None
    assert len(problems) == 1
    assert problem in problems[0]


def test_every_refused_item_of_a_list_is_reported_at_its_place() -> None:
    sample, problems = read(Sample, "names:\n- a\n- 1\n- b\n- true\nport: 0\n")
    assert sample is None
    assert problems == [
        "f.yaml:6: port: must be a whole number from 1 to 65535",
        "f.yaml:3: names[1]: must be text; put it in quotes",
        "f.yaml:5: names[3]: must be text; put it in quotes",
    ]


def test_unset_options_have_the_defaults_of_the_dataclass() -> None:
    assert read(Sample, "{}") == (Sample(), [])


def test_defaults_are_shown_as_the_file_would_write_them() -> None:
    shown = {option.name: option.default for option in options_of((Sample,))}
    assert shown["wait"] == "250ms"
    assert shown["waits"] == ["1s", "5m"]
    assert shown["keep"] == "never"
    assert shown["domain"] is None


@dataclass(frozen=True, slots=True)
class Awkward:
    """Options called like attributes that libraries of models use."""

    model_config: str = option("A.")
    model_fields: str = option("B.")
    copy: str = option("C.")
    json: str = option("D.")
    schema: str = option("E.", "e")
    validate: str = option("F.", "f")


def test_an_option_may_have_any_name() -> None:
    text = "{model_config: a, model_fields: b, copy: c, json: d, validate: v}"
    assert read(Awkward, text) == (Awkward("a", "b", "c", "d", "e", "v"), [])


@dataclass(frozen=True, slots=True)
class Particular:
    """A target with a word of its own on options that do not go together."""

    low: int = option("Low.", 0)
    high: int = option("High.", 10)

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def test_a_targets_own_objection_becomes_a_problem() -> None:
    assert read(Particular, "{low: 3}") == (Particular(3), [])
    assert read(Particular, "{low: 11}") == (None, ["f.yaml:1: low is above high"])


@dataclass(frozen=True)
class Made:
    """A default that is made anew for each target."""

    names: tuple[str, ...] = field(default_factory=lambda: ("a", "b"), metadata={"doc": "Names."})


def test_a_default_factory_is_the_dataclasses_own_matter() -> None:
    assert read(Made, "{}") == (Made(("a", "b")), [])
    assert options_of((Made,))[0].default == ["a", "b"]
    assert not options_of((Made,))[0].is_required


UNKNOWN = "f.yaml:1: facts: unknown option; known: name"


@dataclass(frozen=True)
class Told:
    """A target of which a part is known to its caller only."""

    name: str = option("Name.")
    facts: tuple[bytes, ...] = given(())


def test_what_the_caller_fills_in_stands_in_no_file() -> None:
    assert [one.name for one in options_of((Told,))] == ["name"]
    assert read(Told, "{name: a}") == (Told("a"), [])
    assert read(Told, "{name: a, facts: []}") == (None, [UNKNOWN])


@pytest.mark.parametrize(
    "hint", [bytes, dict[str, str], list[str], tuple[str, str], str | int, Server, str | int | None]
)
def test_an_option_that_no_file_can_hold_is_a_bug_of_its_target(hint: Any) -> None:
    @dataclass(frozen=True)
    class Broken:
        value: hint = option("Value.")

    with pytest.raises(TypeError, match="an option cannot be"):
        options_of((Broken,))


def test_an_option_without_documentation_is_a_bug_of_its_target() -> None:
    @dataclass(frozen=True)
    class Silent:
        value: str = ""

    with pytest.raises(TypeError, match="value has no documentation"):
        options_of((Silent,))


def test_two_options_of_one_name_are_a_bug_of_the_target() -> None:
    with pytest.raises(TypeError, match="declared twice"):
        options_of((Particular, Particular))
