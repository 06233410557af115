"""docs/design.md tells of the tree as it is, and of every decision whether it is in force."""

import re
from pathlib import Path

from tests.test_architecture import ROOMS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "design.md").read_text("utf-8")
DECISIONS = PAGE.partition("\n## Decisions\n")[2]
TITLE = re.compile(r"^\*\*(\d{4}-\d\d-\d\d) (.+?)\*\*(?: _\((.+?)\)_)?", re.MULTILINE | re.DOTALL)


def test_the_order_of_the_rooms_is_the_one_that_is_enforced() -> None:
    told = re.search(r"<!-- order of the rooms -->\n```\n(.*?)```\n<!-- end -->", PAGE, re.DOTALL)
    assert told is not None
    assert told[1] == "".join("  ".join(row) + "\n" for row in ROOMS)


def test_the_listing_of_the_rooms_has_each_room_and_no_other() -> None:
    listing = PAGE.partition("## Rooms\n\n```\n")[2].partition("```")[0]
    told, folder = set(), ""
    for line in listing.splitlines():
        names = line.partition("    ")[0].split() if line[0] != " " else []
        folder = names[0].strip("/") if names else folder
        if line.startswith("  ") and line[2] != " ":
            words = re.match(r"  ((?:[a-z_]+(?:/|\.py) ?)+)", line)
            assert words is not None, line
            told |= {f"{folder}.{word.removesuffix('.py').strip('/')}" for word in words[1].split()}
    assert told == {room for row in ROOMS for room in row}


def test_every_decision_has_a_date_and_a_state() -> None:
    found = TITLE.findall(DECISIONS)
    assert len(found) == len(re.findall(r"^\*\*", DECISIONS, re.MULTILINE))
    titles = {title.rstrip(".") for _, title, _ in found}
    for _, title, state in found:
        assert state, f"no state: {title}"
        later = re.search(r'superseded by "(.+?)"', state)
        assert state == "in force" or (later is not None and later[1] in titles), state
