from exporter.demo.behaviours import (
    EVERYONE,
    AfterData,
    Greylisting,
    ServerBehaviour,
    Treatment,
    WorldBehaviour,
    overlay,
)
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault


def test_an_overlay_changes_only_what_it_says() -> None:
    slow = Treatment(delivery_delay=4)
    assert overlay(slow, Treatment(is_junk=True)) == Treatment(delivery_delay=4, is_junk=True)


def test_an_overlay_that_says_nothing_changes_nothing() -> None:
    behaviour = ServerBehaviour(reply_delay=1.0, after_data=AfterData.RESET_LOST)
    assert overlay(behaviour, ServerBehaviour()) == behaviour


def test_changes_of_different_servers_add_up() -> None:
    world = WorldBehaviour(mx=ServerBehaviour(reply_delay=1.0))
    world = world.changed_by(WorldBehaviour(imap=ServerBehaviour(is_down=True)))
    world = world.changed_by(WorldBehaviour(mx=ServerBehaviour(has_expired_certificate=True)))
    assert world.mx == ServerBehaviour(reply_delay=1.0, has_expired_certificate=True)
    assert world.imap.is_down


def test_dns_faults_of_different_questions_add_up() -> None:
    servfail, silence = DnsFault(Misbehaviour.SERVFAIL), DnsFault(Misbehaviour.SILENCE)
    world = WorldBehaviour(dns={("a.test", "MX"): servfail})
    world = world.changed_by(WorldBehaviour(dns={("b.test", "A"): silence}))
    assert world.dns == {("a.test", "MX"): servfail, ("b.test", "A"): silence}


def test_a_recipient_keeps_its_own_treatment_under_that_of_everyone() -> None:
    world = WorldBehaviour(
        recipients={
            "slow@a.test": Treatment(delivery_delay=4),
            EVERYONE: Treatment(greylisting=Greylisting()),
        }
    )
    own = world.treatment("Slow@A.test")
    assert own == Treatment(delivery_delay=4, greylisting=Greylisting())
    assert world.treatment("else@a.test") == Treatment(greylisting=Greylisting())


def test_a_recipient_without_a_treatment_gets_its_mail() -> None:
    assert WorldBehaviour().treatment("a@a.test") == Treatment()
