"""From site.toml to the arrays of `Site`, with every mistake told at once and in its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.profiles import Profile, concave, shipped
from edgeagent_central.optimize.power.site import Site, Storage, Thermal
from edgeagent_central.optimize.power.topology.keys import (
    BreakerKeys,
    ComponentKeys,
    DomainKeys,
    ServerKeys,
    SiteKeys,
)
from edgeagent_central.optimize.power.topology.names import expanded
from edgeagent_central.optimize.power.tree import Array, Tree
from edgeagent_sdk.config import Document, read
from edgeagent_sdk.errors import NameInvalid
from edgeagent_sdk.names import check_name
from edgeagent_sdk.plugins import nearest

#: Multiple of the rated current that a breaker just carries for ever, and time constant of its bimetal:
#: between the standard's conventional currents, and so that the trip at 2.55 (2.0) times the rating lies
#: within its band.
_CURVES: Final = {
    "iec-c": (1.25, 60.0),  # IEC 60898-1:2015, table 7
    "iec-d": (1.25, 60.0),
    "iec-mccb": (1.15, 600.0),  # IEC 60947-2:2016, table 6
}

_J_PER_KWH: Final = 3.6e6


class Target(NamedTuple):
    """Where a leaf of the tree is found in the field; `part` is None for what is not held, only counted."""

    node: str
    part: ComponentKeys | None


@dataclass(frozen=True)
class Topology:
    """A site.toml that is right.

    Attributes:
        targets: of each leaf.
        domain_keys: of each domain.
    """

    keys: SiteKeys
    site: Site
    targets: tuple[Target, ...]
    domain_keys: tuple[DomainKeys, ...]


def load_topology(path: Path) -> Topology:
    """Read site.toml.

    Raises:
        ConfigError: with every problem in the file.
    """
    document = read(path)
    keys = document.bind(document.data, SiteKeys)
    document.finish()
    assert keys is not None
    ordered = _ordered(document, keys.domain)
    profiles = _profiles(document, keys)
    servers = _servers(document, keys, {domain.name for domain in ordered}, profiles)
    document.finish()
    topology = _compiled(keys, ordered, servers, profiles)
    _check(document, topology)
    document.finish()
    return topology


def unsafe_fallbacks(site: Site) -> list[str]:
    """Domains whose limit would be passed if all their leases ended; for people."""
    fallback_w, limit_w = site.tree.load_w(site.fallback_w), site.tree.limit_w
    return [
        f"{site.domains[domain]}: when nothing central lives, its servers fall back to "
        f"{fallback_w[domain] / 1e3:,.4g} kW, above its {limit_w[domain] / 1e3:,.4g} kW; lower fallback_w, "
        "and `fallback` on the nodes"
        for domain in np.flatnonzero(fallback_w > limit_w).tolist()
    ]


def _ordered(document: Document, domains: Sequence[DomainKeys]) -> list[DomainKeys]:
    """Parents before children, depth first."""
    by_name: dict[str, DomainKeys] = {}
    for place, domain in enumerate(domains):
        if domain.name in by_name:
            document.complain(("domain", place, "name"), f"{domain.name!r} stands twice; names are unique")
        by_name[domain.name] = domain
    children: dict[str | None, list[DomainKeys]] = {}
    for place, domain in enumerate(domains):
        if domain.parent is not None and domain.parent not in by_name:
            hint = nearest(domain.parent, list(by_name))
            document.complain(("domain", place, "parent"), f"no domain {domain.parent!r}; {hint}")
        children.setdefault(domain.parent, []).append(domain)
    roots = children.get(None, [])
    if len(roots) != 1:
        names = ", ".join(root.name for root in roots)
        found = f"{len(roots)} have none: {names}" if roots else "all have one"
        document.complain(("domain",), f"exactly one domain, the root, has no parent; here {found}")
        return list(domains)
    ordered: list[DomainKeys] = []
    waiting = [roots[0]]
    while waiting:
        domain = waiting.pop()
        ordered.append(domain)
        waiting += reversed(children.get(domain.name, []))
    reached = {domain.name for domain in ordered}
    for place, domain in enumerate(domains):
        if domain.name not in reached and domain.parent in by_name:
            why = f"does not lead to the root {roots[0].name!r}: its parents go round in a circle"
            document.complain(("domain", place, "parent"), why)
    return ordered


def _profiles(document: Document, keys: SiteKeys) -> dict[str, Profile]:
    profiles = dict(shipped())
    for place, row in enumerate(keys.profile):
        if len(row.x) != len(row.work):
            document.complain(("profile", place, "work"), f"{len(row.x)} x but {len(row.work)} work")
            continue
        try:
            profile = concave(row.name, np.asarray(row.x), np.asarray(row.work), "site.toml", row.steady)
            profiles[row.name] = profile
        except ValueError as error:
            document.complain(("profile", place, "x"), str(error))
    return profiles


def _servers(
    document: Document, keys: SiteKeys, domains: set[str], profiles: dict[str, Profile]
) -> list[tuple[str, ServerKeys]]:
    """Each server by its own name."""
    servers: dict[str, ServerKeys] = {}
    for place, row in enumerate(keys.server):
        complain = partial(_complain, document, place)
        if row.domain not in domains:
            complain("domain", f"no domain {row.domain!r}; {nearest(row.domain, sorted(domains))}")
        if row.work not in profiles:
            complain("work", f"no profile {row.work!r}; {nearest(row.work, sorted(profiles))}")
        held: set[str] = set()
        for at, part in enumerate(row.component):
            if part.cap in held:
                document.complain(("server", place, "component", at, "cap"), f"{part.cap!r} stands twice")
            held.add(part.cap)
            if why := _unusable(part):
                document.complain(("server", place, "component", at, "min_w"), why)
        try:
            names = [check_name(name, "server") for name in expanded(row.name)]
        except (ValueError, NameInvalid) as error:
            complain("name", str(error))
            continue
        for name in names:
            if name in servers:
                complain("name", f"{name!r} stands twice; names are unique")
            servers[name] = row
    return list(servers.items())


def _complain(document: Document, place: int, key: str, message: str) -> None:
    document.complain(("server", place, key), message)


def _unusable(part: ComponentKeys) -> str:
    fallback_w = part.max_w if part.fallback_w is None else part.fallback_w
    if not np.isfinite([part.max_w, part.clock_max_hz]).all():
        return f"max_w {part.max_w:g} and clock_max_hz {part.clock_max_hz:g} must be finite"
    if not part.idle_w <= part.max_w or not part.min_w <= part.max_w:
        return f"min_w {part.min_w:g} and idle_w {part.idle_w:g} must not be above max_w {part.max_w:g}"
    if not part.min_w <= fallback_w <= part.max_w:
        return f"fallback_w {fallback_w:g} must lie between min_w {part.min_w:g} and max_w {part.max_w:g}"
    if part.clock and not part.clock_max_hz:
        return "clock needs clock_max_hz, the highest clock"
    return ""


class _Leaf(NamedTuple):
    name: str
    domain: int
    profile: int
    idle_w: float
    min_w: float
    max_w: float
    fallback_w: float
    weight: float
    target: Target


def _compiled(
    keys: SiteKeys,
    ordered: Sequence[DomainKeys],
    servers: Sequence[tuple[str, ServerKeys]],
    profiles: dict[str, Profile],
) -> Topology:
    places = {domain.name: place for place, domain in enumerate(ordered)}
    kinds = list(profiles)
    leaves = [
        leaf
        for name, row in servers
        for leaf in _leaves(name, row, places[row.domain], kinds.index(row.work))
    ]
    leaves.sort(key=lambda leaf: leaf.domain)  # the domains stand in the order of a walk
    limits_w = [_limit_w(domain) for domain in ordered]
    parents = [places[domain.parent] if domain.parent else -1 for domain in ordered]
    site = Site(
        name=keys.site,
        tree=Tree.build(parents, limits_w, [leaf.domain for leaf in leaves]),
        domains=tuple(places),
        leaves=tuple(leaf.name for leaf in leaves),
        ramp_up_w_per_s=_watts([domain.ramp_up_kw_per_s for domain in ordered]),
        ramp_down_w_per_s=_watts([domain.ramp_down_kw_per_s for domain in ordered]),
        breakers={place: found for place, row in enumerate(ordered) if (found := _thermal(row))},
        storage={place: store for place, row in enumerate(ordered) if (store := _storage(row))},
        diverse=np.array([domain.diversity for domain in ordered], bool),
        idle_w=np.array([leaf.idle_w for leaf in leaves]),
        min_w=np.array([leaf.min_w for leaf in leaves]),
        max_w=np.array([leaf.max_w for leaf in leaves]),
        fallback_w=np.array([leaf.fallback_w for leaf in leaves]),
        clocked=np.array([bool(leaf.target.part and leaf.target.part.clock) for leaf in leaves], bool),
        weight=np.array([leaf.weight for leaf in leaves]),
        profiles=tuple(profiles.values()),
        profile=np.array([leaf.profile for leaf in leaves], np.intp),
    )
    return Topology(keys, site, tuple(leaf.target for leaf in leaves), tuple(ordered))


def _leaves(name: str, row: ServerKeys, domain: int, profile: int) -> Iterator[_Leaf]:
    weight = 2.0 ** (row.priority - 1)
    for part in row.component:
        fallback_w = part.max_w if part.fallback_w is None else part.fallback_w
        bounds_w = part.idle_w, part.min_w, part.max_w, fallback_w
        yield _Leaf(f"{name}/{part.name}", domain, profile, *bounds_w, weight, Target(name, part))
    if row.other_w:
        held_w = (row.other_w,) * 4
        yield _Leaf(f"{name}/other", domain, profile, *held_w, weight, Target(name, None))


def _limit_w(domain: DomainKeys) -> float:
    """The lowest of what limits a domain."""
    limits_w = [inf]
    if domain.limit_kw is not None:
        limits_w.append(domain.limit_kw * 1e3)
    if domain.breaker:
        limits_w.append(_rated_w(domain.breaker))
    if domain.feeds:
        feeds_w = [feed.limit_kw * 1e3 for feed in domain.feeds]
        # Feeds share alike; without the largest, the others must still carry all.
        alone_w = (len(feeds_w) - 1) * min(feeds_w) if len(feeds_w) > 1 else feeds_w[0]
        limits_w.append(alone_w if domain.redundancy == "n-1" else len(feeds_w) * min(feeds_w))
    return min(limits_w)


def _rated_w(breaker: BreakerKeys) -> float:
    circuits = 3 if breaker.phases == 3 else 1  # two poles carry one circuit, between the lines
    return breaker.rated_a * breaker.voltage_v * circuits * breaker.power_factor


def _thermal(domain: DomainKeys) -> Thermal | None:
    if domain.breaker is None:
        return None
    hold, tau_s = _CURVES[domain.breaker.curve]
    return Thermal(_rated_w(domain.breaker), tau_s, hold**2)


def _storage(domain: DomainKeys) -> Storage | None:
    battery = domain.battery
    if battery is None:
        return None
    return Storage(
        battery.power_kw * 1e3,
        battery.capacity_kwh * _J_PER_KWH,
        battery.reserve_kwh * _J_PER_KWH,
        battery.efficiency,
    )


def _watts(kilowatts: Sequence[float | None]) -> Array:
    return np.array([inf if value is None else value * 1e3 for value in kilowatts])


def _check(document: Document, topology: Topology) -> None:
    """What only the whole tree shows: floors above a limit, the root without one, diversity below none."""
    site = topology.site
    floors_w = site.tree.load_w(site.min_w)
    order = {row.name: place for place, row in enumerate(topology.keys.domain)}
    for place, row in enumerate(topology.domain_keys):
        at = order[row.name]
        if floors_w[place] > site.tree.limit_w[place]:
            lowest_kw, limit_kw = floors_w[place] / 1e3, site.tree.limit_w[place] / 1e3
            why = f"its servers draw at least {lowest_kw:,.4g} kW, and it may carry {limit_kw:,.4g} kW"
            document.complain(("domain", at, "limit_kw"), f"{why}; give it fewer servers, or lower min_w")
        above = site.tree.parent[place]
        if row.diversity and above >= 0 and not site.diverse[above]:
            why = f"{site.domains[above]!r} above it is reckoned without; set it there too"
            document.complain(("domain", at, "diversity"), why)
    if not np.isfinite(site.tree.limit_w[0]):
        at = order[site.domains[0]]
        document.complain(("domain", at, "limit_kw"), "the root needs one, or a breaker, or feeds")
    if not any(target.part for target in topology.targets):
        document.complain(("server",), "no server has a component that could be held")
