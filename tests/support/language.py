"""How long sentences are, and how docstrings begin and hang together."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

LONGEST_SENTENCE = 25
"""Words; readers at three in the morning, whose first language is another, get lost beyond."""

MOST_RELATIVES = 4.0
"""`what`, `whom`, `whose` and `who` in 1,000 words of docstrings, at most."""

_RELATIVE = re.compile(r"\b(?:what|whom|whose|who)\b", re.IGNORECASE)
_HEADLESS = re.compile(
    r"\b(?:what|whatever|whom|whoever)\b|(?:\A|[;.] )(?:who|whose)\b", re.IGNORECASE
)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_NO_PROSE = re.compile(r"^(?:#.*|\|.*|<!--.*)$", re.MULTILINE)
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_CODE = re.compile(r"`[^`]*`")
_ITEM = re.compile(r"\n(?=\s*[-*] )")
_END = re.compile(r"(?<=[.!?])\s+|;\s+")
_WORD = re.compile(r"[^\s—-]*\w[^\s]*")


def markdown_sentences(text: str) -> list[str]:
    """The sentences of a page's prose, without code, tables and headings.

    A piece of code and the text of a link count as they are read: code as one word.
    """
    prose = _NO_PROSE.sub("", _FENCE.sub("\n\n", text))
    return sentences(_LINK.sub(r"\1", _CODE.sub("CODE", prose)))


def sentences(text: str) -> list[str]:
    """The sentences of paragraphs and list items; a semicolon ends one as well."""
    paragraphs = [part for block in re.split(r"\n\s*\n", text) for part in _ITEM.split(block)]
    found = (_END.split(" ".join(paragraph.split())) for paragraph in paragraphs)
    return [sentence for group in found for sentence in group if words(sentence)]


def words(text: str) -> list[str]:
    """The words of a text; a dash is none."""
    return _WORD.findall(text)


def too_long(found: Iterable[str]) -> list[str]:
    """The sentences with more words than LONGEST_SENTENCE."""
    return [sentence for sentence in found if len(words(sentence)) > LONGEST_SENTENCE]


def docstrings(folder: Path) -> Iterator[str]:
    """Every docstring of the Python files below a folder, those of attributes included."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield str(node.value.value)


def relatives(text: str) -> list[str]:
    """Return the words of a text that begin a relative clause without a noun before it."""
    return _HEADLESS.findall(_CODE.sub("CODE", text))


def relatives_per_thousand(texts: Iterable[str]) -> float:
    """How many of 1,000 words are `what`, `whom`, `whose` or `who`."""
    text = "\n".join(texts)
    count = len(words(text))
    return 1000 * len(_RELATIVE.findall(text)) / count if count else 0.0
