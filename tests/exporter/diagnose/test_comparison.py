"""When everybody sees a record that mends what a diagnosis found, if it is published now."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exporter.diagnose.comparison import mended_by
from probes.catalogue import ENTRIES
from probes.catalogue.failures import FAILURES
from probes.result import NOTHING, Aspect, Known
from tests.exporter.analysis.test_target_changes import BEGIN
from tests.servers.certificates import Authority
from tests.support.advice_rig import World, only, told

TTL, NEGATIVE_TTL = 300, 60
WORLD = World(
    '@ MX 10 mx\nmx A 192.0.2.1\n@ TXT "v=spf1 +all"\nmta-sts A 192.0.2.8\n'
    '_mta-sts TXT "v=STSv1; id=1; id=2"\n',
    options={"selector": ("s1",)},
    servers={"192.0.2.1": "expired"},
)
EXAMPLE = (
    Known(Aspect.MX, "example.test", "10 mx.example.test", 100),
    Known(Aspect.SPF, "example.test", "v=spf1 -all", 200),
    Known(Aspect.DKIM, "s1._domainkey.example.test", NOTHING, 300),
    Known(Aspect.DKIM, "s2._domainkey.example.test", "v=DKIM1; p=", 900),
    Known(Aspect.TLSA, "mx.example.test", NOTHING, 400),
    Known(Aspect.STS_RECORD, "example.test", "v=STSv1; id=1", 500),
    Known(Aspect.STS_POLICY, "example.test", "mode: none", 86_400),
    Known(Aspect.CERTIFICATE, "mx.example.test [192.0.2.1]", "abc"),
)
_TEXTS = {**ENTRIES, **FAILURES}


@pytest.mark.parametrize(
    ("code", "subject", "seconds"),
    [
        ("mx.null_with_others", "example.test", 100),
        ("dns_mx.nxdomain", "example.test", 100),
        ("spf.not_authorised", "example.test", 200),
        ("dkim.key_missing", "s1._domainkey.example.test", 300),
        ("dkim.key_revoked", "s2._domainkey.example.test", 900),
        ("dane.absent", "_25._tcp.mx.example.test", 400),
        ("sts.policy_invalid", "mta-sts.example.test", 500),
    ],
)
def test_a_record_is_seen_when_the_old_answer_is_kept_no_longer(
    code: str, subject: str, seconds: int
) -> None:
    at = mended_by(_TEXTS[code].mended_in, subject, EXAMPLE, BEGIN)
    assert at == BEGIN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "code",
    [
        *("sts.host_untrusted", "sts.policy_fetch", "sts.lookup_failed", "dane.no_starttls"),
        *("spf.lookup_failed", "dkim.lookup_failed", "smtp.starttls.certificate_expired"),
        *("mx.host_unresolved", "tls.certificate_expires", "dmarc.record_missing"),
        *("greeting.timeout", "connect.timeout"),
    ],
)
def test_what_no_record_mends_or_nothing_is_known_of_has_no_such_instant(code: str) -> None:
    assert mended_by(_TEXTS[code].mended_in, "example.test", EXAMPLE, BEGIN) is None


def test_a_record_of_somebody_else_is_not_taken_for_ours() -> None:
    for code in ("spf.include_missing", "dmarc.reports_unauthorised", "dkim.key_missing"):
        assert mended_by(_TEXTS[code].mended_in, "elsewhere.test", EXAMPLE, BEGIN) is None


async def test_a_diagnosis_says_it_of_each_problem(authority: Authority) -> None:
    diagnosis, _, found = await told(WORLD, authority)
    began = diagnosis.started_at
    for code, seconds in (
        ("spf.all_permissive", TTL),
        ("sts.record_syntax", TTL),
        ("dkim.key_missing", NEGATIVE_TTL),
        ("dmarc.record_missing", NEGATIVE_TTL),
    ):
        assert only(found, code).visible_by == began + timedelta(seconds=seconds)
    assert only(found, "smtp.starttls.certificate_expired").visible_by is None


async def test_what_is_not_there_at_all_is_seen_when_its_absence_is_kept_no_longer(
    authority: Authority,
) -> None:
    world = replace(WORLD, zone="@ A 192.0.2.1", servers={})
    diagnosis, _, found = await told(world, authority, "mx")
    implicit = only(found, "mx.implicit")
    assert implicit.visible_by == diagnosis.started_at + timedelta(seconds=NEGATIVE_TTL)
