"""What a certificate proves, judged without a connection."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exporter.testbed.servers.certificates import Authority
from probes.net.certificates import read_chain, vouched_by
from probes.net.tls import TrustStore, matches_name, require_trusted
from probes.result import Owner, ProbeFailure, Reason
from tests.support.clock import FakeClock

CA = trustme.CA()
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The test authority's certificate as a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    CA.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def time() -> FakeClock:
    """The time the trust store is told."""
    return FakeClock(NOW)


@pytest.fixture
def trust(ca_file: str, time: FakeClock) -> TrustStore:
    """A store that believes in the test authority alone."""
    return TrustStore(ca_file, time.clock)


def chain(certificate: trustme.LeafCert) -> tuple[bytes, ...]:
    """A certificate's chain in DER."""
    pems = (blob.bytes().decode() for blob in certificate.cert_chain_pems)
    return tuple(ssl.PEM_cert_to_DER_cert(pem) for pem in pems)


def issue(*names: str, ca: trustme.CA = CA, days: tuple[int, int] = (-10, 10)) -> tuple[bytes, ...]:
    """A chain for `names`, valid for those days around NOW."""
    begin, end = (NOW + timedelta(days=day) for day in days)
    return chain(ca.issue_cert(*names, not_before=begin, not_after=end))


def test_a_good_certificate_is_trusted_and_described(trust: TrustStore) -> None:
    served = issue("mx.example.test", "192.0.2.1")
    facts = trust.verify(served, "mx.example.test")
    assert (facts.trusted, facts.untrusted_reason, facts.detail) == (True, None, "")
    assert facts.names == ("mx.example.test", "192.0.2.1")
    assert (facts.not_before, facts.not_after) == (NOW - timedelta(10), NOW + timedelta(10))
    assert facts.chain_der == served
    assert "trustme" in facts.issuer
    require_trusted(facts)


def test_an_address_is_a_name_too(trust: TrustStore) -> None:
    assert trust.verify(issue("192.0.2.1"), "192.0.2.1").trusted
    assert trust.verify(issue("2001:db8::1"), "2001:db8::1").trusted


def test_a_chain_over_an_intermediate_is_trusted_if_it_is_served(trust: TrustStore) -> None:
    served = issue("mx.test", ca=CA.create_child_ca())
    assert len(served) > 1
    assert trust.verify(served, "mx.test").trusted
    alone = trust.verify(served[:1], "mx.test")
    assert alone.untrusted_reason is Reason.CERTIFICATE_NOT_TRUSTED


@pytest.mark.parametrize(
    ("served", "reason", "words"),
    [
        (issue("mx.test", days=(-10, -1)), Reason.CERTIFICATE_EXPIRED, "expired on 2026-04-30"),
        (issue("mx.test", days=(1, 9)), Reason.CERTIFICATE_NOT_TRUSTED, "not valid before"),
        (issue("other.test"), Reason.CERTIFICATE_HOST_MISMATCH, "it names other.test, not mx.test"),
        (
            issue("mx.test", ca=trustme.CA()),
            Reason.CERTIFICATE_NOT_TRUSTED,
            "no chain to a trusted authority",
        ),
        ((b"\x30\x03junk",), Reason.VALIDATION_FAILURE, "cannot be read"),
        ((), Reason.VALIDATION_FAILURE, "no certificate was sent"),
    ],
)
def test_a_bad_certificate_has_its_reason(
    trust: TrustStore, served: tuple[bytes, ...], reason: Reason, words: str
) -> None:
    facts = trust.verify(served, "mx.test")
    assert (facts.trusted, facts.untrusted_reason) == (False, reason)
    assert words in facts.detail
    with pytest.raises(ProbeFailure, match=r"the certificate of mx\.test") as raised:
        require_trusted(facts)
    assert raised.value.reason is reason


def test_a_certificate_the_library_cannot_read_is_a_verdict_and_no_bug(
    tmp_path: Path, trust: TrustStore
) -> None:
    authority = Authority(tmp_path)
    of_no_version = ssl.PEM_cert_to_DER_cert(authority.of_unknown_version().decode())
    for served in (of_no_version, authority.unreadable("mx.test").chain[0]):
        facts = trust.verify((served,), "mx.test")
        assert facts.untrusted_reason is Reason.VALIDATION_FAILURE
        assert "cannot be read" in facts.detail
        assert read_chain((served,)) == ()
        assert vouched_by((served,), served, NOW) is not None


def test_authorities_of_which_none_can_be_read_are_none(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    file = tmp_path / "odd.pem"
    file.write_bytes(authority.of_unknown_version())
    facts = TrustStore(str(file)).verify(issue("mx.test"), "mx.test")
    assert facts.untrusted_reason is Reason.UNTESTABLE


def test_all_that_is_wrong_is_named_and_the_gravest_is_the_reason(trust: TrustStore) -> None:
    facts = trust.verify(issue("other.test", ca=trustme.CA(), days=(-9, -1)), "mx.test")
    assert facts.untrusted_reason is Reason.CERTIFICATE_NOT_TRUSTED
    assert facts.detail.count("; ") == 2


Made = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _self_made(*, is_authority: bool, issuer: Made | None = None) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.test")])
    parent, signer = issuer or (None, key)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(parent.subject if parent is not None else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mx.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    return certificate, key


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def test_a_self_signed_certificate_is_trusted_only_where_it_is_the_authority(
    trust: TrustStore, tmp_path: Path, time: FakeClock
) -> None:
    certificate, _ = _self_made(is_authority=False)
    facts = trust.verify((der(certificate),), "mx.test")
    assert (facts.untrusted_reason, facts.detail) == (Reason.CERTIFICATE_NOT_TRUSTED, "self-signed")
    file = tmp_path / "own.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    assert TrustStore(str(file), time.clock).verify((der(certificate),), "mx.test").trusted


def test_a_certificate_signed_by_one_that_is_no_authority_is_not_trusted(
    tmp_path: Path, time: FakeClock
) -> None:
    pretender = _self_made(is_authority=False)
    leaf, _ = _self_made(is_authority=False, issuer=pretender)
    file = tmp_path / "pretender.pem"
    file.write_bytes(pretender[0].public_bytes(serialization.Encoding.PEM))
    facts = TrustStore(str(file), time.clock).verify((der(leaf), der(pretender[0])), "mx.test")
    assert facts.untrusted_reason is Reason.CERTIFICATE_NOT_TRUSTED


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("mx.test", "MX.test.", True),
        ("*.example.test", "mx.example.test", True),
        ("*.example.test", "a.mx.example.test", False),
        ("*.example.test", "example.test", False),
        ("*.test", "mx.test", False),
        ("m*.example.test", "mx.example.test", False),
        ("*", "test", False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label(pattern: str, name: str, *, matches: bool) -> None:
    assert matches_name(pattern, name) is matches


class Handshake:
    """A finished handshake as `judge` sees it, its certificate served by `peer`."""

    def __init__(self, trust: TrustStore, server: ssl.SSLContext, name: str) -> None:
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = trust.recording.wrap_bio(theirs, ours, server_hostname=name)
        peer = server.wrap_bio(ours, theirs, server_side=True)
        for side in (self.client, peer, self.client, peer):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


def _server(end: datetime, *others: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    begin = NOW - timedelta(days=1)
    CA.issue_cert("mx.test", *others, not_before=begin, not_after=end).configure_cert(context)
    return context


def test_a_handshake_is_judged_by_what_was_served_and_by_the_time(
    trust: TrustStore, time: FakeClock
) -> None:
    server = _server(NOW + timedelta(minutes=5))
    facts = trust.judge(Handshake(trust, server, "mx.test").client, "mx.test")
    assert facts.trusted
    assert facts.version == "TLSv1.3"
    assert facts.cipher
    assert facts.as_facts()["tls.certificate_not_after"] == "2026-05-01T12:05:00+00:00"
    # remembered, and yet not beyond its end
    time.step(360)
    facts = trust.judge(Handshake(trust, server, "mx.test").client, "mx.test")
    assert facts.untrusted_reason is Reason.CERTIFICATE_EXPIRED
    time.step(-360)
    assert trust.judge(Handshake(trust, server, "mx.test").client, "mx.test").trusted


def test_what_was_verified_before_is_not_verified_again(trust: TrustStore) -> None:
    server = _server(NOW + timedelta(days=1))
    first = trust.judge(Handshake(trust, server, "mx.test").client, "mx.test")
    second = trust.judge(Handshake(trust, server, "mx.test").client, "mx.test")
    assert first.names is second.names
    other = trust.judge(Handshake(trust, server, "other.test").client, "other.test")
    assert other.names is first.names
    assert other.untrusted_reason is Reason.CERTIFICATE_HOST_MISMATCH
    assert trust.judge(Handshake(trust, server, "mx.test").client, "mx.test").trusted


def test_a_chain_that_would_take_much_room_is_not_remembered(trust: TrustStore) -> None:
    server = _server(NOW + timedelta(days=1), *(f"host-{number:05}.test" for number in range(1000)))
    first = trust.judge(Handshake(trust, server, "mx.test").client, "mx.test")
    second = trust.judge(Handshake(trust, server, "mx.test").client, "mx.test")
    assert first == second
    assert first.names is not second.names


def test_another_ca_file_is_read_once_and_again_when_it_changed(
    trust: TrustStore, tmp_path: Path
) -> None:
    assert trust.with_ca(None) is trust
    file = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    first = trust.with_ca(str(file))
    assert first is not trust
    assert trust.with_ca(str(file)) is first
    own = trustme.CA()
    own.cert_pem.write_to_path(str(file))
    assert trust.with_ca(str(file)).verify(issue("mx.test", ca=own), "mx.test").trusted


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\x00"])
def test_an_unusable_ca_file_is_our_problem(
    trust: TrustStore, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "bad.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ProbeFailure, match="CA file") as raised:
        trust.with_ca(str(file))
    assert (raised.value.reason, raised.value.owner) == (Reason.UNTESTABLE, Owner.CONFIGURATION)


def test_the_systems_authorities_are_read_without_a_warning() -> None:
    facts = TrustStore().verify(issue("mx.test"), "mx.test")
    assert facts.untrusted_reason in (Reason.CERTIFICATE_NOT_TRUSTED, Reason.UNTESTABLE)
