"""The world of a sending domain, in order but for the changes of a case."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.selftest.case import Case, Probe, Told, telling
from exporter.selftest.fixtures import DOMAIN, Props
from exporter.testbed.servers.dns_server import Faults
from exporter.testbed.servers.world import WorldSpec
from probes.kinds.sender.probe import SenderTarget
from probes.options import Domain, Host, IpAddress

IP, IP6 = "192.0.2.25", "2001:db8::25"
SPF = f'@ TXT "v=spf1 ip4:{IP} ip6:{IP6} -all"\n'
DMARC = f'_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@{DOMAIN}"\n'
NAMES = f"@ MX 10 mail\nmail A {IP}\nmail AAAA {IP6}\n"
GOOD = f"{SPF}{DMARC}{NAMES}"
LIST = "2.0.0.127 A 127.0.0.2\n"
DOMAIN_LIST = "test A 127.0.1.2\n"
REVERSE = {
    "2.0.192.in-addr.arpa": f"25 PTR mail.{DOMAIN}.\n",
    "8.b.d.0.1.0.0.2.ip6.arpa": f"5.2{'.0' * 22} PTR mail.{DOMAIN}.\n",
}
TARGET = SenderTarget(
    Domain(DOMAIN),
    sending_ips=(IpAddress(IP),),
    ehlo_name=Host(f"mail.{DOMAIN}"),
    block_lists=(Domain("list.test"),),
)


@dataclass(frozen=True, slots=True)
class SenderWorld:
    """The zones that a run sees; all other names do not exist."""

    props: Props
    zone: str = GOOD
    target: SenderTarget = TARGET
    lists: Mapping[str, str] = field(default_factory=lambda: {"list.test": LIST})
    reverse: Mapping[str, str] = field(default_factory=lambda: REVERSE)
    others: Mapping[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)

    def case(self, name: str, *told: str | Told, is_healthy: bool = False) -> Case:
        """One run of the kind in this world; aspects that its target leaves out are always told."""
        zones = {DOMAIN: self.zone, **self.lists, **self.reverse, **self.others}
        spec = WorldSpec(
            trust=self.props.trust, zones={"test": "", "arpa": "", **zones}, faults=self.faults
        )
        return Case(
            area="sender",
            name=name,
            spec=spec,
            act=Probe("sender", self.target),
            expected=telling(*told, *_unexamined(self.target)),
            is_healthy=is_healthy,
        )


def _unexamined(target: SenderTarget) -> tuple[str, ...]:
    has_keys = bool(target.selectors or target.learnt)
    has_lists = bool(target.block_lists or target.keyed_block_lists)
    is_whole = target.sending_ips and target.ehlo_name and has_keys and has_lists
    return () if is_whole else ("sender.not_examined",)
