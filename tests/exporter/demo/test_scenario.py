from pathlib import Path

import dns.zone
import pytest
import yaml

from exporter.demo import scenario
from exporter.demo.scenario import EXAMPLE_PATHS, Access
from exporter.demo.submission import Signer

ACCESS = Access(
    dns_port=5301,
    submission_port=5871,
    submissions_port=4651,
    mx_port=2501,
    imap_port=1431,
    username="canary",
    password="it's: #1",
    ca_file=Path("/tmp/a folder/ca.pem"),
)


def test_the_configuration_points_at_the_world_and_quotes_what_needs_quoting() -> None:
    text = scenario.config_text(ACCESS, ledger="/tmp/it's.sqlite", listen="127.0.0.1:0")
    config = yaml.safe_load(text)
    assert config["resolvers"] == ["127.0.0.1:5301"]
    assert config["listen"] == "127.0.0.1:0"
    assert config["ledger"] == "/tmp/it's.sqlite"
    assert config["ca_file"] == "/tmp/a folder/ca.pem"
    assert config["routes"]["relay"]["password"] == "it's: #1"
    assert config["routes"]["relay"]["port"] == 5871
    assert config["mailboxes"]["inbox"]["port"] == 1431
    assert config["jobs"]["receiver-mx"]["port"] == 2501
    assert config["jobs"]["sender-submission"]["port"] == 4651


def test_the_configuration_has_every_example_path() -> None:
    config = yaml.safe_load(scenario.config_text(ACCESS, ledger="x", listen="127.0.0.1:0"))
    assert list(config["paths"]) == [path.name for path in EXAMPLE_PATHS]
    for path in EXAMPLE_PATHS:
        entry = config["paths"][path.name]
        assert entry["route"] in config["routes"]
        assert entry["mailbox"] in config["mailboxes"]
        assert entry["rcpt_to"] == path.recipient
        assert entry.get("text") == path.text


@pytest.mark.parametrize("path", EXAMPLE_PATHS, ids=lambda path: path.name)
def test_a_path_is_late_before_it_is_lost(path: scenario.ExamplePath) -> None:
    assert path.treatment.delivery_delay < path.lost_after
    assert path.late_after < path.lost_after


def test_only_the_recipient_that_is_to_be_rejected_does_not_exist() -> None:
    unknown = [path.name for path in EXAMPLE_PATHS if path.recipient not in scenario.ADDRESSES]
    assert unknown == ["rejected"]


def test_every_zone_can_be_read_and_the_key_survives_being_cut_into_strings() -> None:
    signer = Signer(scenario.SENDER_DOMAIN, "demo")
    zones = scenario.zones(signer.record_name, signer.record)
    text = "@ 300 SOA ns hostmaster 1 2 3 4 5\n@ 300 NS ns\n$TTL 300\n"
    parsed = {origin: dns.zone.from_text(text + zone, origin) for origin, zone in zones.items()}
    record = parsed[scenario.SENDER_DOMAIN].find_rdataset("demo._domainkey", "TXT")[0]
    assert b"".join(record.strings).decode() == signer.record
