"""The option tables of docs/configuration.md, written from the declarations.

`python -m tests.exporter.config.option_tables` brings the page up to date.
"""

import json
import re
from collections.abc import Mapping

from exporter.config import REGISTERED
from exporter.config.entries import Option, Shapes, options_of
from exporter.config.keys import DoorKeys, JobKeys, PathKeys, ServiceKeys
from probes.canary.message import MessageOptions
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "configuration.md"

TABLE = re.compile(r"<!-- options: (?P<name>[a-z_. ]+) -->\n(?P<rows>.*?)<!-- end -->", re.DOTALL)

SHAPES: Mapping[str, Shapes] = {
    "service": (ServiceKeys,),
    "paths": (PathKeys, MessageOptions),
    "jobs": (JobKeys,),
    "routes": (DoorKeys,),
    "mailboxes": (DoorKeys,),
    **{f"routes {name}": (target,) for name, target in REGISTERED.routes.items()},
    **{f"mailboxes {name}": (target,) for name, target in REGISTERED.mailboxes.items()},
    **{f"jobs {name}": (target,) for name, target in REGISTERED.kinds.items()},
}


def table(shapes: Shapes) -> str:
    """One Markdown table."""
    rows = "".join(_row(option) for option in options_of(shapes))
    return f"| Option | Value | Default | Meaning |\n| --- | --- | --- | --- |\n{rows}"


def _row(option: Option) -> str:
    doc = option.doc.replace("|", "\\|")
    return f"| `{option.name}` | {option.kind.noun} | {_default(option)} | {doc} |\n"


def _default(option: Option) -> str:
    if option.is_required:
        return "required"
    if option.default is None or option.default in ("", []):
        return "unset"
    is_text = isinstance(option.default, str)
    return f"`{option.default if is_text else json.dumps(option.default)}`"


def rewritten(page: str) -> str:
    """The page with every table as the declarations have it."""
    return TABLE.sub(
        lambda found: (
            f"<!-- options: {found['name']} -->\n{table(SHAPES[found['name']])}<!-- end -->"
        ),
        page,
    )


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
