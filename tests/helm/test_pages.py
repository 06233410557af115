"""The pages about the chart: what they tell a user to write is taken."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, PROGRAMS, render
from tests.helm.test_values import SCHEMA, names_of_schema
from tests.servers.real import needs
from tests.support.language import markdown_sentences, too_long
from tests.support.places import DOCS
from tests.support.processes import mailcanary

PAGES = (DOCS / "kubernetes.md", CHART / "README.md")
FREE = {"config", "global"}
"""Values whose keys the schema leaves open."""
KNOWN = set(names_of_schema(SCHEMA))

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def values_of(page: Path) -> dict[str, Any]:
    """The one example of values."""
    (block,) = re.findall(r"^ *```yaml\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE)
    values: dict[str, Any] = yaml.safe_load(block)
    return values


@each_page
@pytest.mark.parametrize("version", PROGRAMS)
@needs("helm-3", "helm-4")
@pytest.mark.slow("starts the program as a process")
def test_the_example_is_installed_and_is_a_configuration(
    page: Path, version: str, tmp_path: Path
) -> None:
    file = tmp_path / "my-values.yaml"
    file.write_text(yaml.safe_dump(values_of(page)))
    rendered = render(version, file)
    assert rendered.complaint == ""
    configuration = tmp_path / "mailcanary.yaml"
    text = rendered.configuration()
    configuration.write_text(text.replace("/var/lib/mailcanary/", f"{tmp_path}/"))
    done = mailcanary("check-config", "--no-secrets", str(configuration))
    assert done.returncode == 0, done.stderr


@each_page
def test_no_sentence_is_long(page: Path) -> None:
    found = markdown_sentences(page.read_text())
    assert found
    assert too_long(found) == []


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@each_page
def test_every_value_that_is_named_exists(page: Path) -> None:
    words = re.findall(r"`([a-z][A-Za-z]+\.[A-Za-z.]+)(?::[^`]*)?`", page.read_text())
    named = {word for word in words if word.partition(".")[0] in KNOWN}
    assert named
    assert {name for name in named - KNOWN if name.partition(".")[0] not in FREE} == set()
