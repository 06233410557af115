"""Filling in the templates of the daemons' files, see templates/README."""

import string
from pathlib import Path

_TEMPLATES = Path(__file__).parent / "templates"


class _Percent(string.Template):
    delimiter = "%"


def fill(template: str, target: Path, names: dict[str, str]) -> None:
    """Write one template; a name it uses and `names` lacks raises KeyError."""
    text = _Percent((_TEMPLATES / template).read_text("ascii")).substitute(names)
    target.write_text(text, "ascii")
