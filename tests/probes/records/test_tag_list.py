"""Tag lists, whatever is in them."""

from hypothesis import given
from hypothesis import strategies as st

from probes.records.tag_list import MAX_TAGS, parse_tag_list


def test_names_are_compared_in_lower_case_and_values_kept_as_written() -> None:
    tags = parse_tag_list(" D = A.test ;\r\n b=ab\r\n\t c=; h=")
    assert (tags.get("d"), tags.get("b"), tags.compact("b")) == ("A.test", "ab c=", "abc=")
    assert (tags.get("h"), tags.get("s"), tags.compact("s")) == ("", None, None)


def test_what_is_no_tag_or_stands_twice_is_kept_apart() -> None:
    tags = parse_tag_list("i=1; i=2; words; =x;;")
    assert tags.get("i") == "1"
    assert tags.unparsed == ("i=2", "words", "=x")


def test_more_tags_than_anyone_writes_are_kept_unread() -> None:
    tags = parse_tag_list("".join(f"t{n}=1;" for n in range(MAX_TAGS + 1)))
    assert (len(tags.tags), tags.unparsed) == (MAX_TAGS, (f"t{MAX_TAGS}=1",))


@given(st.text())
def test_any_text_gives_a_value(text: str) -> None:
    pieces = [piece for piece in text.split(";") if piece.strip()]
    tags = parse_tag_list(text)
    assert len(tags.tags) + len(tags.unparsed) == len(pieces)
