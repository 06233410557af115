"""The forms of a report: text for 80 columns, Markdown and HTML for tickets, foreign text inert."""

import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from exporter.diagnose.html_form import page
from exporter.diagnose.markdown_form import escaped, markdown
from exporter.diagnose.report import Report, report_of
from exporter.diagnose.request import Format, Orders, opening, read_orders
from exporter.terminal.diagnosis import brief_report, closing_view, report
from exporter.testbed.servers.script import Say
from exporter.testbed.servers.smtp import Script
from probes.net.tls import TrustStore
from tests.exporter.diagnose.test_claims import request, run
from tests.support.mail_world import mail_world

EVIL = Script(
    on={
        "RCPT": (
            Say("550 5.1.1 <script>alert(1)</script> | **x** `y` [z](http://evil.test) \x1b[2J"),
        )
    }
)
LABEL = "x" * 60
LONG = f"{LABEL}.{LABEL}.{LABEL}"
ZONE = f"@ MX 10 mx.{LONG}\nmx.{LONG} A 192.0.2.1\n"


async def reported(server: Script, target: str = "joe@example.test", only: str = "mx") -> Report:
    async with mail_world(ZONE, {"192.0.2.1": server}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, request(target, only))
        return report_of(diagnosis, world.net)


def printed(*values: object, width: int = 80) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    for value in values:
        console.print(value)
    return [text.rstrip() for text in file.getvalue().splitlines()]


class Tags(HTMLParser):
    """Collects the tags and the attributes of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("only", ["mx", "mx,policy,sender,nameservers"])
async def test_the_verdict_is_first_and_last_and_all_fits_80_columns(only: str) -> None:
    value = await reported(EVIL, only=only)
    lines = printed(report(value, 80))
    assert lines[0] == lines[-1]
    assert lines[0].startswith("✗ joe@example.test: FAILURE: mail is not taken: RCPT: 550 5.1.1")
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)


async def test_the_longest_names_are_cut_in_the_verdict_and_folded_below() -> None:
    target = f"{'l' * 64}@{LONG}.example.test"
    value = await reported(Script(), target)
    lines = printed(report(value, 80), brief_report(value, 80), closing_view((value, value), 80))
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("✗ llll")
    assert ": FAILURE: " in lines[0]
    first = opening(request(target)).splitlines()
    assert max(map(len, first)) <= 80


async def test_brief_is_the_verdict_and_a_line_for_each_defect() -> None:
    value = await reported(EVIL)
    verdict, *rest = printed(brief_report(value, 80))
    assert verdict.startswith("✗ joe@example.test: FAILURE")
    assert len(rest) == len(value.grave)
    assert all(line.startswith(("  ✗ ", "  ! ", "  ? ")) for line in rest)


async def test_several_domains_end_with_every_verdict_and_their_number() -> None:
    values = (await reported(EVIL), await reported(Script()))
    *verdicts, last = printed(closing_view(values, 80))
    assert [line[0] for line in verdicts if line] == ["✗", "!"]
    assert last == "2 domains: 1 FAILURE, 1 WARNING"


async def test_the_html_is_one_inert_document() -> None:
    value = await reported(EVIL)
    text = page((value, value))
    tags = Tags()
    tags.feed(text)
    allowed = {"html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "p"}
    assert tags.tags <= allowed | {"table", "tr", "td", "ul", "li", "pre", "strong", "br"}
    assert tags.attributes <= {"lang", "charset", "http-equiv", "content", "class"}
    assert "&lt;script&gt;" in text
    assert "default-src" in text
    assert "\x1b" not in text
    assert text.count("<!DOCTYPE") == 1


async def test_the_markdown_gives_foreign_text_no_meaning() -> None:
    text = markdown((await reported(EVIL),))
    first, *_, last = text.splitlines()
    assert first == last
    assert first.startswith("**joe\\@example.test: FAILURE")
    assert "<script>" not in re.sub(r"\\<", "", text)
    assert "[z](" not in text
    assert not re.search(r"(?<!\\)`", text)
    cells = {len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines() if row[:2] == "| "}
    assert cells <= {3, 4}


def test_a_line_end_in_foreign_text_ends_no_line_of_markdown() -> None:
    assert "\n" not in escaped("a\n# b\r\n| c")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"format": "xml"}, "text, json, markdown, html"),
        ({"format": "html", "as_json": True}, "choose one"),
        ({"brief": True, "verbose": True}, "choose one"),
        ({"brief": True, "as_json": True}, "whole tree"),
        ({"targets": ("example.test",) * 101}, "at most 100"),
        ({"targets": ("example.test", "..")}, "not a domain"),
    ],
)
def test_a_form_that_is_not_to_be_had_is_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_orders({"targets": ("example.test",), **options})


def test_json_is_the_format_of_that_name() -> None:
    assert orders(as_json=True).shape.format is Format.JSON
    assert orders(format="json").shape == orders(as_json=True).shape
    assert [one.domain for one in orders(targets=("a.test", "b.test")).requests] == [
        *("a.test", "b.test")
    ]


def orders(**options: object) -> Orders:
    return read_orders({"targets": ("example.test",), **options})
