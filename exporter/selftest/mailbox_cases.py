"""Cases of reading a mailbox, kind `mailbox`, and of runs that tell of ourselves."""

from collections.abc import Iterator
from dataclasses import replace

from exporter.selftest.case import Case, Probe, Told, telling
from exporter.selftest.fixtures import DOMAIN, IMAP_HOST, PASSWORD, USER, Props
from exporter.selftest.mx_cases import FIRST, HERE, ONE_HOST, OVER_V6
from exporter.selftest.mx_cases import TARGET as MX_TARGET
from exporter.testbed.servers.certificates import foreign
from exporter.testbed.servers.imap import CAPABILITIES
from exporter.testbed.servers.script import Say
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import Mailbox, WorldSpec
from probes.kinds.mailbox_reading import MailboxTarget
from probes.options import Host, Secret
from probes.result import Status

TARGET = MailboxTarget(Host(IMAP_HOST), USER, Secret(PASSWORD))
ZONE = f"imap A {FIRST}\n"
ODD = "mailbox.odd_answer"
_WITH_STARTTLS = (Say(f"* CAPABILITY {CAPABILITIES} STARTTLS", "{tag} OK done"),)
_WITH_QUOTA = (Say(f"* CAPABILITY {CAPABILITIES} QUOTA", "{tag} OK done"),)


def mailbox_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    good = Mailbox(context=props.server.context)
    base = WorldSpec(trust=props.trust, zones={DOMAIN: ZONE}, servers={FIRST: good})
    yield _case("a mailbox in order", base)
    starttls = replace(good, implicit_tls=False, answers={"CAPABILITY": _WITH_STARTTLS})
    target = replace(TARGET, tls="starttls")
    yield _case("the same after STARTTLS", replace(base, servers={FIRST: starttls}), target=target)
    for used, code in ((10, None), (95, "mailbox.quota_nearly_full"), (100, "mailbox.quota_full")):
        quota = Say('* QUOTAROOT INBOX ""', f'* QUOTA "" (STORAGE {used} 100)', "{tag} OK done")
        server = replace(good, answers={"CAPABILITY": _WITH_QUOTA, "GETQUOTAROOT": (quota,)})
        told = () if code is None else (code,)
        yield _case(f"{used} of 100 are used", replace(base, servers={FIRST: server}), *told)
    odd = Say("* FLAGS (", "* 0 EXISTS", "* OK [UIDVALIDITY 7] v", "{tag} OK open")
    server = replace(good, answers={"EXAMINE": (odd,)})
    yield _case("an answer cannot be read", replace(base, servers={FIRST: server}), ODD)
    refused = {"CAPABILITY": _WITH_QUOTA, "GETQUOTAROOT": (Say("{tag} NO no"),)}
    server = replace(good, answers=refused)
    yield _case("the quota is not told", replace(base, servers={FIRST: server}), ODD)
    lenient = replace(TARGET, verify=False, insecure=True)
    untrusted = replace(base, servers={FIRST: replace(good, context=foreign(IMAP_HOST))})
    yield _case(
        "the certificate is not trusted, and need not be",
        untrusted,
        "mailbox.certificate_untrusted",
        target=lenient,
    )
    old = replace(
        base, servers={FIRST: replace(good, context=props.authority.with_group(1024, IMAP_HOST))}
    )
    yield _case(
        "the group is small, and need not be large", old, "mailbox.tls_weak", target=lenient
    )
    two = replace(base, zones={DOMAIN: f"{ZONE}imap AAAA {OVER_V6}\n"}, servers={OVER_V6: good})
    unusable = "mailbox.address_unusable"
    yield _case("one of two addresses refuses", two, (unusable, Status.WARNING))
    away = replace(two, out_of_reach=frozenset({FIRST}))
    yield _case("this machine has no way to an address", away, (unusable, Status.UNTESTABLE))


def _case(name: str, spec: WorldSpec, *told: str | Told, target: MailboxTarget = TARGET) -> Case:
    return Case(
        area="mailbox",
        name=name,
        spec=spec,
        act=Probe("mailbox", target),
        expected=telling(*told),
        is_healthy=not told,
    )


def monitor_cases(props: Props) -> Iterator[Case]:
    """Runs during which we ourselves were not as fast as we should be."""
    good = Script(tls=props.server.context)
    spec = WorldSpec(trust=props.trust, zones={DOMAIN: ONE_HOST}, servers={FIRST: good})
    slow = replace(spec, servers={FIRST: replace(good, latency=0.1)})
    for name, world, act, told in (
        (
            "the event loop is held up for a moment",
            spec,
            Probe("mx", MX_TARGET, holds=0.2),
            "monitor.loop_lagged",
        ),
        (
            "two runs want a session with one address at the same time",
            slow,
            Probe("mx", MX_TARGET, times=2),
            "monitor.waited",
        ),
    ):
        yield Case(
            area="monitor",
            name=name,
            spec=world,
            act=act,
            expected=telling(HERE, told),
            is_healthy=True,
        )
