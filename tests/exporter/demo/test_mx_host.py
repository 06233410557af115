from exporter.demo import mx_host
from exporter.demo.behaviours import Greylisting
from exporter.demo.mx_host import Greylist

RULE = Greylisting(wait=1.0, window=10.0)
A = ("127.0.0.1", "a@sender.test", "b@receiver.test")
B = ("127.0.0.1", "a@sender.test", "c@receiver.test")


def test_a_stranger_waits_and_then_passes() -> None:
    greylist = Greylist()
    assert [greylist.passes(A, RULE, now) for now in (100.0, 100.9, 101.0)] == [False, False, True]


def test_whoever_has_passed_is_a_stranger_again() -> None:
    greylist = Greylist()
    assert [greylist.passes(A, RULE, now) for now in (100.0, 102.0, 103.0)] == [False, True, False]


def test_whoever_comes_back_too_late_is_a_stranger_again() -> None:
    greylist = Greylist()
    assert [greylist.passes(A, RULE, now) for now in (100.0, 110.5, 111.5)] == [False, False, True]


def test_one_recipient_says_nothing_about_another() -> None:
    greylist = Greylist()
    assert not greylist.passes(A, RULE, 100.0)
    assert not greylist.passes(B, RULE, 102.0)


def test_the_oldest_are_forgotten_first() -> None:
    greylist = Greylist()
    for number in range(mx_host.MAX_GREYLIST + 1):
        greylist.passes(("127.0.0.1", "", str(number)), RULE, 100.0)
    assert not greylist.passes(("127.0.0.1", "", "0"), RULE, 102.0)
    assert greylist.passes(("127.0.0.1", "", str(mx_host.MAX_GREYLIST)), RULE, 102.0)
