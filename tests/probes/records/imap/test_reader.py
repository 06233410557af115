"""What an IMAP server may say, and what nobody should have to believe."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.imap.framing import (
    MAX_LINE,
    MAX_LITERALS,
    MAX_SEARCH_LINE,
    SMALL_LITERAL,
    Framer,
    Raw,
)
from probes.records.imap.names import decode_name, encode_name, name_of, octets_of
from probes.records.imap.reader import MAX_NUMBERS, expand_set, read_response
from probes.records.imap.responses import (
    Capability,
    Code,
    Condition,
    Continuation,
    Enabled,
    Exists,
    Expunge,
    Fetch,
    Flags,
    FolderStatus,
    Identity,
    Listed,
    Other,
    Recent,
    Response,
    Search,
    Status,
    Unread,
)
from probes.records.imap.values import MAX_DEPTH, read_values


def frames(data: bytes, *, step: int | None = None, max_literal: int = SMALL_LITERAL) -> list[Raw]:
    """Every whole response in `data`, fed whole or `step` octets at a time."""
    framer = Framer()
    framer.max_literal = max_literal
    step = step or max(len(data), 1)
    raws: list[Raw] = []
    for start in range(0, len(data), step):
        framer.feed(data[start : start + step])
        while (raw := framer.next()) is not None:
            raws.append(raw)
    return raws


def read(data: bytes) -> Response:
    (raw,) = frames(data)
    return read_response(raw)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"* OK", Status(None, Condition.OK, None, "")),
        (b"* ok [ALERT] Disk", Status(None, Condition.OK, Code("ALERT", ""), "Disk")),
        (b"* BYE Too many", Status(None, Condition.BYE, None, "Too many")),
        (b"* PREAUTH hi", Status(None, Condition.PREAUTH, None, "hi")),
        (b"a1 NO [x", Status("a1", Condition.NO, None, "[x")),
        (b"a1 BAD {3}", Status("a1", Condition.BAD, None, "{3}")),
        (b"+", Continuation("")),
        (b"+ YWJj", Continuation("YWJj")),
        (b"* 5 EXISTS", Exists(5)),
        (b"* 0 recent", Recent(0)),
        (b"* 44 EXPUNGE", Expunge(44)),
        (b"* CAPABILITY IMAP4rev1 Auth=Plain", Capability(frozenset({"IMAP4REV1", "AUTH=PLAIN"}))),
        (b"* ENABLED CONDSTORE", Enabled(frozenset({"CONDSTORE"}))),
        (b"* FLAGS (\\Seen \\*)", Flags(("\\Seen", "\\*"))),
        (b"* SEARCH", Search(())),
        (b"* SEARCH 2 84 882", Search((2, 84, 882))),
        (b"* SEARCH 2 (MODSEQ 917162500)", Search((2,))),
        (b'* ESEARCH (TAG "a3") UID ALL 4:6,2 COUNT 4', Search((4, 5, 6, 2), "a3")),
        (b'* ESEARCH (TAG "a3") UID', Search((), "a3")),
        (
            b'* STATUS "blurd" (MESSAGES 2 UIDNEXT 4)',
            FolderStatus("blurd", {"MESSAGES": 2, "UIDNEXT": 4}),
        ),
        (b"* ID NIL", Identity({})),
        (b'* ID ("name" "Dovecot" "os" NIL)', Identity({"name": "Dovecot"})),
        (b"* VANISHED (EARLIER) 3", Other("VANISHED")),
        (b"* 3 FUTURE x", Other("FUTURE")),
        (b'* LIST (\\Junk) "/" Spam', Listed(frozenset({"\\junk"}), "/", "Spam")),
        (b'* LIST () NIL "inbox"', Listed(frozenset(), None, "INBOX")),
        (b'* LIST () "/" [Gmail]/Spam', Listed(frozenset(), "/", "[Gmail]/Spam")),
        (b'* LIST () "/" "Entw&APw-rfe" ("OLDNAME" ("x"))', Listed(frozenset(), "/", "Entwürfe")),
        (b'* LIST () "/" "A &! B"', Listed(frozenset(), "/", "wire:A &! B")),
        (b'* LIST () "\\\\" {4}\r\nx"y\\', Listed(frozenset(), "\\", 'x"y\\')),
    ],
)
def test_each_kind_of_response_is_read(line: bytes, expected: Response) -> None:
    assert read(line + b"\r\n") == expected


@pytest.mark.parametrize(
    ("text", "name", "number", "words"),
    [
        (b"[UIDVALIDITY 3857529045]", "UIDVALIDITY", 3857529045, ("3857529045",)),
        (b"[UIDNEXT 4392]", "UIDNEXT", 4392, ("4392",)),
        (b"[HIGHESTMODSEQ 715194045007]", "HIGHESTMODSEQ", 715194045007, ("715194045007",)),
        (b"[READ-ONLY]", "READ-ONLY", None, ()),
        (b"[CLOSED]", "CLOSED", None, ()),
        (b"[appenduid 38505 3955]", "APPENDUID", None, ("38505", "3955")),
        (b"[PERMANENTFLAGS (\\Deleted \\*)]", "PERMANENTFLAGS", None, ("\\Deleted", "\\*")),
        (b"[CAPABILITY IMAP4rev1 IDLE]", "CAPABILITY", None, ("IMAP4rev1", "IDLE")),
    ],
)
def test_response_codes_give_their_arguments(
    text: bytes, name: str, number: int | None, words: tuple[str, ...]
) -> None:
    status = read(b"* OK " + text + b" words\r\n")
    assert isinstance(status, Status)
    assert status.code is not None
    assert (status.code.name, status.code.number, status.code.words) == (name, number, words)
    assert status.text == "words"


def test_a_fetch_gives_everything_that_was_said_about_the_message() -> None:
    header = b"Subject: (x {5}\r\n\r\n"
    fetch = read(
        b'* 12 FETCH (UID 77 FLAGS (\\Seen $x) INTERNALDATE " 7-Feb-2026 21:52:25 -0830" '
        b"RFC822.SIZE 4286 MODSEQ (12) BODY[HEADER]<0> {%d}\r\n%s BODY[TEXT] NIL "
        b'BODY[HEADER.FIELDS (A "B")] ~{2}\r\nab BODY[] "a\\"b")\r\n' % (len(header), header)
    )
    assert isinstance(fetch, Fetch)
    assert (fetch.sequence, fetch.uid, fetch.size) == (12, 77, 4286)
    assert fetch.flags == ("\\Seen", "$x")
    assert fetch.internal_date == datetime(2026, 2, 8, 6, 22, 25, tzinfo=UTC)
    assert fetch.sections == {
        "HEADER": header,
        "TEXT": None,
        'HEADER.FIELDS (A "B")': b"ab",
        "": b'a"b',
    }


@pytest.mark.parametrize("date", [b'"31-Feb-2026 00:00:00 +0000"', b'"nonsense"', b"NIL", b'""'])
def test_an_unreadable_internal_date_costs_only_the_date(date: bytes) -> None:
    fetch = read(b"* 1 FETCH (UID 2 INTERNALDATE " + date + b")\r\n")
    assert isinstance(fetch, Fetch)
    assert (fetch.uid, fetch.internal_date) == (2, None)


def test_an_internal_date_with_an_impossible_zone_is_none() -> None:
    fetch = read(b'* 1 FETCH (INTERNALDATE "01-Feb-2026 00:00:00 +9900")\r\n')
    assert isinstance(fetch, Fetch)
    assert fetch.internal_date is None


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"220 mx.example.test ESMTP\r\n",
        b"\x16\x03\x01\r\n",
        b"{5} OK\r\n",
    ],
)
def test_what_is_no_response_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        read(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\r\n", ""),
        (b"*\r\n", ""),
        (b"* \r\n", ""),
        (b"* (\r\n", ""),
        (b"* 1 FETCH\r\n", "FETCH"),
        (b"* 1 FETCH (UID)\r\n", "FETCH"),
        (b"* 1 FETCH (UID 5\r\n", "FETCH"),
        (b"* 1 FETCH (UID 5))\r\n", "FETCH"),
        (b'* 1 FETCH (X "open)\r\n', "FETCH"),
        (b"* 1 FETCH (BODY[HEADER 5)\r\n", "FETCH"),
        (b"* 1 FETCH (BODY[TEXT] (x))\r\n", "FETCH"),
        (b"* SEARCH 1 x\r\n", "SEARCH"),
        (b"* SEARCH 99999999999\r\n", "SEARCH"),
        (b"* ESEARCH (TAG) ALL 1\r\n", "ESEARCH"),
        (b"* ESEARCH UID ALL 1:4294967295\r\n", "ESEARCH"),
        (b"* FLAGS x\r\n", "FLAGS"),
        (b"* flags (\r\n", "FLAGS"),
        (b"* LIST ()\r\n", "LIST"),
        (b'* LIST (\\HasNoChildren) "\\" INBOX\r\n', "LIST"),
        (b"* STATUS x\r\n", "STATUS"),
        (b"* QUOTA x (STORAGE a b)\r\n", "QUOTA"),
        (b"* 1 FETCH " + b"(" * (MAX_DEPTH + 1) + b"\r\n", "FETCH"),
    ],
)
def test_an_untagged_response_that_cannot_be_read_is_kept_as_unread(data: bytes, name: str) -> None:
    unread = read(data)
    assert isinstance(unread, Unread)
    assert unread.name == name
    assert unread.octets == data.removesuffix(b"\r\n")
    assert unread.why


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'* LIST (\\HasNoChildren) "." b58562b3.[b49c20cf', "b58562b3.[b49c20cf"),
        (b'* LIST () "/" [', "["),
        (b'* LIST () "/" ]odd[', "]odd["),
        (b'* LIST () "/" a[b c]', "a[b c]"),
        (b'* LIST () "/" Sent Items', "Sent Items"),
        (b'* LIST () "/" "a&b"', "wire:a&b"),
        (b'* LIST () "/" "Entw\xc3\xbcrfe"', "wire:Entwürfe"),
        (b'* LIST () "/" "100%\xe9"', "wire:100%25%E9"),
        (b'* LIST () "/" "wire:x"', "wire:wire:x"),
        (b'* LIST () "/" &AGE-', "wire:&AGE-"),
        (b"* LSUB () NIL x", None),
    ],
)
def test_the_name_of_a_listed_folder_leads_back_to_the_octets_on_the_wire(
    line: bytes, name: str | None
) -> None:
    listed = read(line + b"\r\n")
    if name is None:
        assert not isinstance(listed, Listed)
        return
    assert isinstance(listed, Listed)
    assert listed.name == name
    assert octets_of(listed.name) == line.split(b'" ', 1)[1].strip(b'"')


@given(st.binary(max_size=40))
def test_any_octets_are_the_octets_of_their_name(octets: bytes) -> None:
    name = name_of(octets)
    name.encode("utf-8")
    assert octets_of(name) == octets


def test_capabilities_are_words_whatever_characters_they_have() -> None:
    assert read(b'* CAPABILITY IMAP4rev1 X-(ODD "one AUTH=PLAIN\r\n') == Capability(
        frozenset({"IMAP4REV1", "X-(ODD", '"ONE', "AUTH=PLAIN"})
    )


def test_numbers_that_make_no_sense_cost_only_themselves() -> None:
    assert read(b"* 3 FETCH (UID 5 RFC822.SIZE -1)\r\n") == Fetch(3, uid=5)
    assert read(b"* STATUS a (UIDNEXT 7 MESSAGES x)\r\n") == FolderStatus("a", {"UIDNEXT": 7})


def test_a_hundred_thousand_search_results_are_one_answer() -> None:
    numbers = tuple(range(1_000_000_000, 1_000_100_000))
    line = b"* SEARCH " + " ".join(map(str, numbers)).encode() + b"\r\n"
    assert frames(line, step=8192) == [(line[:-2],)]
    assert read(line) == Search(numbers)


def test_an_expanded_set_is_bounded() -> None:
    assert expand_set("7,3:1") == (7, 1, 2, 3)
    assert len(expand_set(f"1:{MAX_NUMBERS}")) == MAX_NUMBERS
    with pytest.raises(RecordError):
        expand_set(f"1:{MAX_NUMBERS},9")


def test_ten_thousand_untagged_answers_are_ten_thousand_values() -> None:
    data = b"".join(b"* %d FETCH (UID %d FLAGS ())\r\n" % (n, n) for n in range(1, 10_001))
    fetched = [read_response(raw) for raw in frames(data, step=4096)]
    assert [each.uid for each in fetched if isinstance(each, Fetch)] == list(range(1, 10_001))


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_where_the_packets_end_changes_nothing(step: int) -> None:
    data = (
        b"* 3 FETCH (BODY[HEADER] {9}\r\na: {3}\r\n\r BODY[TEXT] {0}\r\n)\r\n"
        b"* OK said {12}\r\n+ go {3}\r\na1 OK done\n* 4 EXISTS\r\n"
    )
    assert frames(data, step=step) == [
        (b"* 3 FETCH (BODY[HEADER] ", b"a: {3}\r\n\r", b" BODY[TEXT] ", b"", b")"),
        (b"* OK said {12}",),
        (b"+ go {3}",),
        (b"a1 OK done",),
        (b"* 4 EXISTS",),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"x" * (MAX_LINE + 1),
        b"* LIST " + b"x" * MAX_LINE + b"\r\n",
        b"* SEARCH " + b"1 " * (MAX_SEARCH_LINE // 2),
        b"* 1 FETCH (BODY[] {%d}\r\n" % (SMALL_LITERAL + 1),
        b"* 1 FETCH (BODY[] {9999999999}\r\n",
        b"* 1 FETCH (" + b"X {0}\r\n" * (MAX_LITERALS + 1),
    ],
)
def test_what_breaks_a_bound_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        frames(data)


def test_the_literal_bound_is_the_readers_to_raise() -> None:
    data = b"* 1 FETCH (BODY[] {%d}\r\n%s)\r\n" % (SMALL_LITERAL + 1, b"x" * (SMALL_LITERAL + 1))
    (raw,) = frames(data, max_literal=SMALL_LITERAL + 1)
    assert len(raw[1]) == SMALL_LITERAL + 1


def test_a_framer_knows_whether_anything_is_left() -> None:
    framer = Framer()
    states = [framer.is_empty]
    framer.feed(b"a1 OK go\r\n* injected {4}\r\n")
    assert framer.next() is not None
    states.append(framer.is_empty)
    assert framer.next() is None
    states.append(framer.is_empty)
    assert states == [True, False, False]


def test_quoted_strings_lose_their_escapes_and_atoms_keep_their_type() -> None:
    assert read_values((b'a "b\\"\\\\c" NIL "NIL" (d (e) ()) ', b"f", b"")) == (
        "a",
        b'b"\\c',
        None,
        b"NIL",
        ("d", ("e",), ()),
        b"f",
    )


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", "INBOX"),
        ("Tom & Jerry", "Tom &- Jerry"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Gelöschte", "Gel&APY-schte"),
        ("a\U0001f426b", "a&2D3cJg-b"),
    ],
)
def test_mailbox_names_are_modified_utf_7(name: str, wire: str) -> None:
    assert encode_name(name) == wire
    assert decode_name(wire) == name


@pytest.mark.parametrize("wire", ["&", "&AB", "&!-", "&AAAA-", "&2D0-", "ü"])
def test_what_is_not_modified_utf_7_is_refused(wire: str) -> None:
    with pytest.raises(RecordError):
        decode_name(wire)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_survives_the_way_there_and_back(name: str) -> None:
    wire = encode_name(name)
    assert wire.isascii()
    assert wire.isprintable()
    assert decode_name(wire) == name


@given(st.binary(max_size=300), st.integers(1, 300))
def test_any_octets_are_framed_or_refused(data: bytes, step: int) -> None:
    try:
        raws = frames(data, step=step)
    except RecordError:
        return
    assert sum(len(piece) for raw in raws for piece in raw) <= len(data)


@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=5),
    st.sampled_from(
        [b"", b"* ", b"* 1 FETCH (", b"* LIST ", b"* SEARCH", b"* ESEARCH ", b"* STATUS ", b"* ID "]
    ),
)
def test_any_response_is_read_or_refused(pieces: list[bytes], opening: bytes) -> None:
    try:
        read_response((opening + pieces[0], *pieces[1:]))
    except RecordError:
        return


@given(st.text(max_size=40))
def test_any_wire_name_is_decoded_or_refused(wire: str) -> None:
    try:
        decode_name(wire)
    except RecordError:
        return


def test_the_internal_date_keeps_its_zone() -> None:
    fetch = read(b'* 1 FETCH (INTERNALDATE "01-Feb-2026 00:00:60 +0130")\r\n')
    assert isinstance(fetch, Fetch)
    assert fetch.internal_date is not None
    assert fetch.internal_date.utcoffset() == timedelta(minutes=90)
