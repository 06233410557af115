"""The log lines of troubles that come again and again."""

import logging

import pytest

from exporter.ledger.errors import LedgerError, LedgerGoneError
from exporter.service.subscribers import TOLD_AGAIN, LogSubscriber
from tests.support.clock import FakeClock


def test_missed_slots_are_told_once_an_hour_for_each_name_and_none_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "mailcanary")
    time = FakeClock()
    log = LogSubscriber(time.clock)
    log.slots_missed("slow", 2)
    for _ in range(59):
        time.elapse(60.0)
        log.slots_missed("slow", 1)
    log.slots_missed("other", 1)
    assert [one.getMessage().split(":")[0] for one in caplog.records] == [
        "slow did not run in 2 slots",
        "other did not run in 1 slots",
    ]
    time.elapse(60.0)
    log.slots_missed("slow", 1)
    assert caplog.records[-1].getMessage().startswith("slow did not run in 60 slots: ")
    assert {one.levelname for one in caplog.records} == {"WARNING"}


def test_a_ledger_that_refuses_again_and_again_is_told_once_an_hour_for_each_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = FakeClock()
    log = LogSubscriber(time.clock)
    for _ in range(3):
        log.ledger_refused("expiry", LedgerGoneError("l", "its file was deleted"))
        log.ledger_refused("cleaning", LedgerGoneError("l", "its file was deleted"))
        log.ledger_refused("cleaning", LedgerError("l", "the disk is full"))
    assert [one.getMessage() for one in caplog.records] == [
        "expiry: ledger l: its file was deleted",
        "cleaning: ledger l: the disk is full",
    ]
    assert {one.levelname for one in caplog.records} == {"ERROR"}
    time.elapse(TOLD_AGAIN)
    log.ledger_refused("cleaning", LedgerError("l", "the disk is full"))
    assert caplog.records[-1].getMessage() == "cleaning: ledger l: the disk is full"
