"""Writes what the name servers and the resolver read: zones, and signatures that are broken."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dns.dnssec
import dns.name
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm, DSDigest

from tests.integration.chain import layout
from tests.integration.chain.layout import Layout
from tests.integration.chain.templating import fill

_A_WEEK = timedelta(days=7)


def render_dns(place: Layout, names: dict[str, str]) -> None:
    """Two Knots, the second one with copies of its own, and unbound."""
    first = {"serial": "1", "exchange": "mx.example.test."}
    other = {"serial": "2", "exchange": "relay.sender.test."}
    unsigned = (*layout.BROKEN_ZONES, *layout.UNSIGNED_ZONES)
    _knot(place, "knot", (layout.DNS[0],), layout.ZONES, unsigned)
    _knot(place, "second", (layout.SECOND_DNS[0], layout.UDP_DNS[0]), (), layout.SECOND_ZONES)
    for zone in (*layout.ZONES, *layout.UNSIGNED_ZONES):
        fill(f"zone.{zone}", place.root / "knot" / f"zone.{zone}", {**names, **first})
    for zone in layout.SECOND_ZONES:
        fill(f"zone.{zone}", place.root / "second" / f"zone.{zone}", {**names, **other})
    anchors = [_broken(place, zone, names) for zone in layout.BROKEN_ZONES]
    (place.root / "unbound" / "anchors.broken").write_text("".join(anchors))
    served = (*layout.ZONES, *unsigned)
    local = [f'    local-zone: "{zone}." transparent' for zone in served]
    stubs = [f'stub-zone:\n    name: "{zone}."\n    stub-addr: {layout.DNS[0]}' for zone in served]
    names = {**names, "local_zones": "\n".join(local), "stub_zones": "\n".join(stubs)}
    fill("unbound.conf", place.root / "unbound" / "unbound.conf", names)


def _knot(
    place: Layout,
    instance: str,
    addresses: Iterable[str],
    signed: Iterable[str],
    unsigned: Iterable[str],
) -> None:
    zones = [f"  - domain: {zone}\n    template: signed" for zone in signed]
    zones += [f"  - domain: {zone}" for zone in unsigned]
    names = {
        "root": str(place.root),
        "instance": instance,
        "listen": ", ".join(f"{address}@53" for address in addresses),
        "zones": "\n".join(zones),
    }
    fill("knot.conf", place.root / instance / "knot.conf", names)


def _broken(place: Layout, name: str, names: dict[str, str]) -> str:
    """Write a zone of which nobody who validates believes a word; its trust anchor (DS).

    That of `expired.test` was right until a week ago. That of `forged.test` is right but for its MX
    record, which was changed after it had been signed.
    """
    file = place.root / "knot" / f"zone.{name}"
    fill("zone.broken", file, {**names, "zone": name})
    zone = dns.zone.from_file(str(file), name, relativize=False)
    key = ec.generate_private_key(ec.SECP256R1())
    public = dns.dnssec.make_dnskey(key.public_key(), Algorithm.ECDSAP256SHA256, flags=257)
    over = datetime.now(UTC) - _A_WEEK if name == layout.EXPIRED else datetime.now(UTC) + _A_WEEK
    dns.dnssec.sign_zone(zone, keys=[(key, public)], inception=over - 4 * _A_WEEK, expiration=over)
    text = str(zone.to_text(relativize=False, want_origin=True))
    if name == layout.FORGED:
        text = text.replace(f"MX 10 {layout.MX_HOST}.", f"MX 10 {layout.EXIM_HOST}.")
    file.write_text(text, "ascii")
    ds = dns.dnssec.make_ds(dns.name.from_text(name), public, DSDigest.SHA256)
    return f"{name}. DS {ds}\n"
