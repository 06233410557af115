"""Tag lists, RFC 6376 §3.2, read tolerantly: the fields of ARC and similar ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from probes.records.header_words import MAX_HEADER_VALUE

MAX_TAGS = 200
"""Tags of one list that are read; the others are in `unparsed`."""


@dataclass(frozen=True, slots=True)
class TagList:
    """A list of `name=value` pairs, names in lower case, values without space around them.

    Of a repeated tag the first counts. Later ones and invalid tags are in `unparsed`. White space
    within values is kept, as only some tags may drop it.
    """

    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    unparsed: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """The value of a tag as one line; None if the tag is missing."""
        value = self.tags.get(name)
        return None if value is None else " ".join(value.split())

    def compact(self, name: str) -> str | None:
        """The value of a tag without any white space, for base64 and lists of names."""
        value = self.tags.get(name)
        return None if value is None else "".join(value.split())


def parse_tag_list(value: str) -> TagList:
    """Read the first 64 KiB of a list, folded or not; any text gives a value."""
    tags: dict[str, str] = {}
    unparsed: list[str] = []
    for piece in value[:MAX_HEADER_VALUE].split(";"):
        name, equals, text = piece.partition("=")
        key = name.strip().lower()
        if equals and key and key not in tags and len(tags) < MAX_TAGS:
            tags[key] = text.strip()
        elif piece.strip():
            unparsed.append(piece.strip())
    return TagList(tags, tuple(unparsed))
