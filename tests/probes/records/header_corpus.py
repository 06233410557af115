"""The corpora of header fields: fields and what has to be read out of them, see their README."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.places import CORPUS


@dataclass(frozen=True)
class Entry:
    """One field, its value folded as in the file, and the expectations behind it in order."""

    where: str
    name: str
    value: str
    expected: list[tuple[str, str]] = field(default_factory=list)


def entries(folder: str) -> Iterator[Entry]:
    """Every entry of every file of a corpus."""
    for path in sorted((CORPUS / folder).glob("*.txt")):
        for number, block in enumerate(path.read_text("utf-8").split("\n\n"), 1):
            yield _entry(f"{path.stem}-{number}", block.strip("\n").split("\n"))


def _entry(where: str, lines: list[str]) -> Entry:
    told = [line for line in lines if not line.startswith("#")]
    expected = [line[2:].partition(" ") for line in told if line.startswith("= ")]
    name, _, value = "\n".join(line for line in told if line[:2] != "= ").partition(":")
    return Entry(where, name, value.lstrip(" "), [(key, text) for key, _, text in expected])
