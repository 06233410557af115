"""Certificates as served, and DANE verdicts on chains."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.testbed.servers.certificates import Identity, identity
from probes.lookups.dane import judge
from probes.net.certificates import read_chain, vouched_by, weaknesses_of
from probes.records.tlsa import TlsaRecord
from tests.servers.certificates import Authority
from tests.servers.real import needs, program

NOW = datetime.now(UTC)
MX = "mx.example.test"


@pytest.fixture(scope="module")
def mx(authority: Authority) -> Identity:
    return identity(authority.pem(MX), authority.file.read_bytes())


def openssl(folder: Path, *options: str) -> bytes:
    """A self-signed certificate in DER."""
    target = folder / "c.der"
    key = ("-keyout", str(folder / "k.pem"), "-out", str(target), "-outform", "DER", "-nodes")
    subprocess.run(
        [program("openssl"), "req", "-x509", "-subj", "/CN=mx", "-days", "3", *key, *options],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return target.read_bytes()


def test_every_certificate_of_a_chain_is_described(mx: Identity) -> None:
    leaf, root = read_chain(mx.chain)
    assert leaf.names == (MX,)
    assert leaf.key == "EC secp256r1"
    assert leaf.signature == "sha256"
    assert leaf.issuer == root.subject
    assert 150 < leaf.days_left(NOW) < 200
    assert weaknesses_of((leaf, root)) == ()


@needs("openssl")
@pytest.mark.parametrize(
    ("options", "key", "is_weak"),
    [
        (("-newkey", "rsa:1024"), "RSA 1024", True),
        (("-newkey", "rsa:2048"), "RSA 2048", False),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"), "EC secp192r1", True),
        (("-newkey", "ed25519"), "Ed25519", False),
    ],
)
def test_a_short_key_is_weak(
    tmp_path: Path, options: tuple[str, ...], key: str, *, is_weak: bool
) -> None:
    (one,) = read_chain((openssl(tmp_path, *options),))
    assert one.key == key
    assert bool(one.weaknesses) is is_weak


@needs("openssl")
def test_a_root_may_have_signed_itself_with_sha1_and_others_may_not(tmp_path: Path) -> None:
    (root,) = read_chain((openssl(tmp_path, "-newkey", "rsa:2048", "-sha1"),))
    assert root.signature == "sha1"
    assert root.weaknesses == ()
    request = tmp_path / "r.pem"
    for command in (
        ("req", "-new", "-key", str(tmp_path / "k.pem"), "-subj", "/CN=leaf", "-out", str(request)),
        (
            *("x509", "-req", "-in", str(request), "-CA", str(tmp_path / "c.der"), "-CAform"),
            *("DER", "-CAkey", str(tmp_path / "k.pem"), "-set_serial", "7", "-sha1"),
            *("-outform", "DER", "-out", str(tmp_path / "l.der")),
        ),
    ):
        run = [program("openssl"), *command]
        subprocess.run(run, check=True, capture_output=True, timeout=30)
    (leaf,) = read_chain(((tmp_path / "l.der").read_bytes(),))
    assert leaf.weaknesses == ("it is signed with sha1",)


def test_what_cannot_be_read_ends_the_chain(mx: Identity) -> None:
    assert len(read_chain((mx.chain[0], b"no certificate", mx.chain[1]))) == 1
    assert read_chain((mx.chain[0],) * 99) == read_chain((mx.chain[0],) * 16)


@given(st.binary(max_size=200))
def test_any_octets_are_a_certificate_or_none(octets: bytes) -> None:
    assert len(read_chain((octets,))) <= 1
    assert vouched_by((octets,), octets, NOW) is not None


def test_a_chain_leads_to_its_authority_while_it_is_valid(
    authority: Authority, mx: Identity
) -> None:
    root = mx.chain[1]
    assert vouched_by(mx.chain, root, NOW) is None
    assert vouched_by(mx.chain[:1], root, NOW) is None
    assert vouched_by(mx.chain, root, NOW + timedelta(days=300)) is not None
    assert vouched_by(mx.chain, b"no certificate", NOW) is not None
    other = identity(authority.pem("other.test")).chain[0]
    assert vouched_by(mx.chain, other, NOW) is not None


def test_a_whole_authority_in_the_dns_need_not_be_served(mx: Identity) -> None:
    record = TlsaRecord(2, 0, 0, mx.chain[1])
    assert judge([record], mx.chain[:1], [MX], NOW).matched == (record,)
    assert judge([record], mx.chain[:1], ["elsewhere.test"], NOW).unmatched == (record,)


def test_an_own_key_is_enough_when_the_certificate_has_expired(mx: Identity) -> None:
    leaf, root = read_chain(mx.chain)
    own = TlsaRecord(3, 1, 1, bytes.fromhex(leaf.key_sha256))
    anchor = TlsaRecord(2, 0, 1, bytes.fromhex(root.sha256))
    verdict = judge([own, anchor], mx.chain, [MX], NOW + timedelta(days=300))
    assert verdict.matched == (own,)
    assert verdict.unmatched == (anchor,)
    assert "does not lead to it" in verdict.detail


def test_a_leaf_is_no_authority_of_its_own(mx: Identity) -> None:
    leaf = read_chain(mx.chain)[0]
    record = TlsaRecord(2, 0, 1, bytes.fromhex(leaf.sha256))
    assert judge([record], mx.chain, [MX], NOW).unmatched == (record,)


def test_without_a_chain_nothing_matches() -> None:
    record = TlsaRecord(3, 1, 1, b"\0" * 32)
    verdict = judge([record], (), [MX], NOW)
    assert verdict.unmatched == (record,)
    assert "no certificate was served" in verdict.detail
