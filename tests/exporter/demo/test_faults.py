import pytest

from exporter.demo.faults import FAULTS, UnknownFault, find, in_force, intended
from exporter.demo.scenario import EXAMPLE_PATHS, FAULTLESS
from probes.canary.lifecycle import Outcome

PATHS = {path.name for path in EXAMPLE_PATHS}


def test_the_table_has_every_documented_fault() -> None:
    assert set(FAULTS) == {
        "greylist",
        "tarpit",
        "reject",
        "junk",
        "drop-after-data",
        "drop-after-data-lost",
        "expired-certificate",
        "dns-servfail",
        "imap-down",
        "loss",
    }


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_changes_the_world_and_speaks_of_paths_that_exist(name: str) -> None:
    fault = FAULTS[name]
    assert in_force(FAULTLESS, [fault]) != FAULTLESS
    assert set(fault.intends) <= PATHS
    assert fault.summary


def test_an_unknown_fault_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownFault, match=r"no fault 'flood'; there are greylist, tarpit, .*loss"):
        find("flood")


def test_without_a_fault_every_path_ends_as_its_example_says() -> None:
    assert intended([]) == {
        "healthy": Outcome.ARRIVED,
        "slow": Outcome.LATE,
        "greylisted": Outcome.ARRIVED,
        "junked": Outcome.JUNKED,
        "rejected": Outcome.REJECTED,
        "direct": Outcome.ARRIVED,
    }


def test_of_two_faults_the_later_one_prevails_where_both_speak() -> None:
    outcomes = intended([find("loss"), find("greylist")])
    assert outcomes["direct"] is Outcome.DEFERRED
    assert outcomes["healthy"] is Outcome.LOST


def test_a_mailbox_that_is_down_never_means_that_mail_is_lost() -> None:
    outcomes = intended([find("imap-down")])
    assert set(outcomes.values()) == {Outcome.UNTESTABLE, Outcome.REJECTED}


def test_faults_add_up() -> None:
    world = in_force(FAULTLESS, [find("tarpit"), find("junk"), find("dns-servfail")])
    assert world.mx.reply_delay == 1.0
    assert world.treatment("slow@receiver.test").is_junk
    assert world.treatment("slow@receiver.test").delivery_delay == 4
    assert ("receiver.test", "MX") in world.dns
