"""multitree.yaml and production.yaml of the example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.example_site import FLUKSO, NETWORKS, POE_GROUPS, RACKS, SOCOMEC, SWITCHES
from scripts.example_yaml import Fields, Scalar, entry, slug


def node(
    key: str, name: str, children: Sequence[str] = (), target: str = "", more: Fields | None = None
) -> Iterator[str]:
    fields: dict[str, Scalar | Sequence[str]] = {"id": key, "name": name}
    fields |= {"children": children} if children else {}
    fields |= {"target": target} if target else {}
    yield from entry(key, fields | dict(more or {}), indent=0)


def equipment_nodes(name: str, rack: str) -> Iterator[str]:
    feeds = [f"{rack}{feed}" for feed in "01"]
    yield from node(slug(name), name, [f"{slug(name)}_{feed.replace('.', '_')}" for feed in feeds])
    for feed in feeds:
        key = f"{slug(name)}_{feed.replace('.', '_')}"
        yield from node(key, f"{name}, pdu-{feed}", target=f"{name}_pdu-{feed}")


def consumption() -> Iterator[str]:
    yield from node(
        "datacenter", "Data centre", ["hardware_cluster", "cooling", "auxiliary"], more={"root": True}
    )
    simplified: Fields = {"simplified_children": ["servers_feed"]}
    yield from node("hardware_cluster", "Servers and network", ["servers", "network"], more=simplified)
    yield from node("servers_feed", "Feed of all racks", target="socomec_servers")
    yield from node("servers", "Servers", [f"rack_{slug(rack)}" for rack in RACKS])
    for rack, numbers in RACKS.items():
        # Servers are written with a hyphen here and an underscore below, as deployments do.
        yield from node(f"rack_{slug(rack)}", f"Rack {rack}", [f"ecotype-{n}" for n in numbers])
        for n in numbers:
            yield from equipment_nodes(f"ecotype-{n}", rack)
    yield from node("network", "Network", list(SWITCHES))
    for name, rack in SWITCHES.items():
        yield from equipment_nodes(name, rack)
    cooling = {"inrow": ("In-row cooler", "inrow_power")}
    cooling |= {
        f"cooling_{k.split('_', 1)[1]}": (v[2], k) for k, v in SOCOMEC.items() if k != "socomec_servers"
    }
    cooling |= {f"cooling_{k.split('_', 1)[1]}": (FLUKSO[k], k) for k in list(FLUKSO)[:2]}
    yield from node("cooling", "Cooling", list(cooling))
    auxiliary = {f"auxiliary_{k.split('_', 1)[1]}": (FLUKSO[k], k) for k in list(FLUKSO)[2:]}
    yield from node("auxiliary", "Auxiliary", [*auxiliary, "poe"])
    for key, (title, sensor) in (cooling | auxiliary).items():
        yield from node(key, title, target=sensor)
    yield from node("poe", "PoE switch", [f"poe_{i}" for i in range(1, len(POE_GROUPS) + 1)])
    for i, use in enumerate(POE_GROUPS, 1):
        yield from node(f"poe_{i}", f"PoE, {use}", target=f"poe_{i}")


def production() -> Iterator[str]:
    yield from node(
        "overall_production", "Overall production", ["solar_panels", "battery1"], more={"root": True}
    )
    yield from node("solar_panels", "Solar panels", [f"network{n}" for n in NETWORKS])
    for n in NETWORKS:
        yield from node(f"network{n}", f"Solar network {n}", target=f"network{n}_power")
    yield from node("battery1", "Battery 1", target="battery1_power")
