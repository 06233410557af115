"""Every subscriber receives every notice, in a fixed order, whatever the others do."""

import inspect
import logging

import pytest

from exporter.ledger.errors import LedgerError
from exporter.service.publisher import Publisher, Subscriber
from exporter.service.subscribers import MetricsSubscriber


def notices(of: type) -> set[str]:
    found = inspect.getmembers(of, inspect.isfunction)
    return {name for name, method in found if not name.startswith("_")}


class Heard(Subscriber):
    def __init__(self, name: str, heard: list[tuple[str, str]]) -> None:
        self.name = name
        self.heard = heard

    def canary_forged(self, mailbox: str) -> None:
        self.heard.append((self.name, mailbox))


class Raising(Subscriber):
    def canary_forged(self, mailbox: str) -> None:
        raise RuntimeError(mailbox)


class Refusals(Subscriber):
    def __init__(self) -> None:
        self.refused: list[tuple[str, LedgerError]] = []

    def ledger_refused(self, action: str, error: LedgerError) -> None:
        self.refused.append((action, error))


def test_notices_come_in_the_order_of_subscription() -> None:
    heard: list[tuple[str, str]] = []
    publisher = Publisher(Heard("first", heard))
    publisher.subscribe(Heard("second", heard), Heard("third", heard))
    publisher.canary_forged("a")
    publisher.canary_forged("b")
    assert heard == [(name, box) for box in "ab" for name in ("first", "second", "third")]


def test_a_subscriber_that_raises_is_logged_and_the_others_hear(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[tuple[str, str]] = []
    Publisher(Heard("before", heard), Raising(), Heard("after", heard)).canary_forged("box")
    assert heard == [("before", "box"), ("after", "box")]
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.message == "subscriber Raising failed"
    assert record.exc_info is not None


@pytest.mark.parametrize("name", sorted(notices(Subscriber)))
def test_the_publisher_passes_on_every_notice(name: str) -> None:
    received: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def method(_self: Subscriber, *args: object, **named: object) -> None:
        received.append((args, named))

    listening = type("Listening", (Subscriber,), {name: method})
    publisher = Publisher(listening())
    wanted = inspect.signature(getattr(publisher, name)).parameters.values()
    args: list[tuple[object, ...]] = [
        () for one in wanted if one.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    named = {one.name: True for one in wanted if one.kind is inspect.Parameter.KEYWORD_ONLY}
    getattr(publisher, name)(*args, **named)
    assert received == [(tuple(args), named)]


def test_metrics_receive_every_notice() -> None:
    assert notices(Subscriber) <= vars(MetricsSubscriber).keys()


def test_a_refusing_ledger_is_published_and_ends_the_block() -> None:
    refusals = Refusals()
    publisher, error = Publisher(refusals), LedgerError("file", "no")
    with publisher.attempting("writing") as attempt:
        raise error
    assert refusals.refused == [("writing", error)]
    assert attempt.refusal is error


def test_any_other_error_passes_through_an_attempt() -> None:
    refusals = Refusals()
    with pytest.raises(KeyError), Publisher(refusals).attempting("writing"):
        raise KeyError("ours")
    assert refusals.refused == []
