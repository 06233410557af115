"""Which folder is Junk."""

import pytest

from probes.records.imap.junk import is_junk_name, junk_among
from probes.records.imap.responses import Listed


@pytest.mark.parametrize(
    "name",
    [
        *("Junk", "JUNK", "Junk-E-Mail", "Junk E-mail", "Junk_Email", "junk.mail", "Spam", "SPAM!"),
        *("Bulk Mail", "[Spam]", "Spamverdacht", "Unerw\u00fcnscht", "Unerwu\u0308nscht"),
        *("Courrier ind\u00e9sirable", "Ind\u00e9sirables", "Pourriel", "Correo no deseado"),
        *("Correo basura", "Posta indesiderata", "Lixo Eletr\u00f4nico", "Ongewenste e-mail"),
        *("Skr\u00e4ppost", "S\u00f8ppelpost", "Useri\u00f8s e-post", "U\u00f8nsket mail"),
        *("Roskaposti", "Wiadomo\u015bci-\u015bmieci", "Nevy\u017e\u00e1dan\u00e1 po\u0161ta"),
        *("Lev\u00e9lszem\u00e9t", "\u0421\u043f\u0430\u043c", "\u5783\u573e\u90ae\u4ef6"),
        *("\u8ff7\u60d1\u30e1\u30fc\u30eb", "\uc2a4\ud338\uba54\uc77c\ud568", "Gereksiz"),
        *("\u05d3\u05d5\u05d0\u05e8 \u05d6\u05d1\u05dc", "Th\u01b0 r\u00e1c"),
    ],
)
@pytest.mark.parametrize(
    ("prefix", "delimiter"),
    [
        ("", "/"),
        ("INBOX.", "."),
        ("INBOX/", "/"),
        ("[Gmail]/", "/"),
        ("Mail/x/", "/"),
        ("INBOX.", None),
        ("inbox/", None),
        ("", None),
    ],
)
def test_junk_is_known_by_its_name_in_many_languages(
    name: str, prefix: str, delimiter: str | None
) -> None:
    if delimiter is not None and delimiter in name:
        return
    assert is_junk_name(prefix + name, delimiter)


@pytest.mark.parametrize("name", ["INBOX", "Junkyard", "Spam reports", "", "Sent", "Werbung 2024"])
def test_other_names_are_not_junk(name: str) -> None:
    assert not is_junk_name(name, "/")


def test_a_name_that_is_kept_as_on_the_wire_is_compared_by_its_words() -> None:
    assert is_junk_name("wire:&AGo-unk", "/")
    assert is_junk_name("wire:Unerw\u00fcnscht", "/")


@pytest.mark.parametrize("mark", ["\\junk", "\\spam"])
def test_a_mark_goes_before_a_name(mark: str) -> None:
    folders = [
        Listed(frozenset(), "/", "Spam"),
        Listed(frozenset({mark}), "/", "Rubbish"),
        Listed(frozenset({mark, "\\noselect"}), "/", "Gone"),
    ]
    assert junk_among(folders) == "Rubbish"
    assert junk_among(folders[:1]) == "Spam"
    assert junk_among([]) is None
