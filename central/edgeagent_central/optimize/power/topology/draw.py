"""A topology drawn as a tree: limits, what stands below them, and how far they are oversubscribed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from edgeagent_central.optimize.power.topology.load import Topology

if TYPE_CHECKING:
    from rich.tree import Tree as Drawing


def rows(topology: Topology) -> list[dict[str, object]]:
    """One row for each domain, for programs."""
    site, tree = topology.site, topology.site.tree
    floor_w, most_w = tree.load_w(site.min_w), tree.load_w(site.max_w)
    servers = _servers(topology)
    return [
        {
            "domain": name,
            "parent": site.domains[tree.parent[place]] if place else None,
            "limit_w": float(tree.limit_w[place]) if np.isfinite(tree.limit_w[place]) else None,
            "floor_w": float(floor_w[place]),
            "most_w": float(most_w[place]),
            "servers": servers[place],
            "breaker": place in site.breakers,
            "battery": place in site.storage,
            "diversity": bool(site.diverse[place]),
        }
        for place, name in enumerate(site.domains)
    ]


def drawing(topology: Topology) -> Drawing:
    """The tree, for people."""
    from rich.tree import Tree as Drawing

    branches: list[Drawing] = []
    for place, row in enumerate(rows(topology)):
        text = _line(topology, place, row)
        above = topology.site.tree.parent[place]
        branches.append(branches[above].add(text) if place else Drawing(text))
    return branches[0]


def _line(topology: Topology, place: int, row: dict[str, object]) -> str:
    limit_w, most_w, floor_w = row["limit_w"], row["most_w"], row["floor_w"]
    assert isinstance(most_w, float) and isinstance(floor_w, float)
    parts = [f"[bold]{row['domain']}[/bold]"]
    if isinstance(limit_w, float):
        over = most_w / limit_w
        parts.append(f"{limit_w / 1e3:,.4g} kW" + (f", oversubscribed {over:.2f} times" if over > 1 else ""))
    parts.append(f"{row['servers']} servers, {floor_w / 1e3:,.4g} to {most_w / 1e3:,.4g} kW")
    keys = topology.domain_keys[place]
    if keys.breaker:
        parts.append(f"breaker {keys.breaker.rated_a:g} A {keys.breaker.curve}")
    if keys.feeds:
        parts.append(f"feeds {' + '.join(feed.name for feed in keys.feeds)}, redundancy {keys.redundancy}")
    if keys.battery:
        parts.append(f"battery {keys.battery.power_kw:g} kW, {keys.battery.capacity_kwh:g} kWh")
    if keys.diversity:
        parts.append("diversity")
    return " · ".join(parts)


def _servers(topology: Topology) -> list[int]:
    """How many servers stand below each domain."""
    tree = topology.site.tree
    own = Counter(
        domain for domain, _ in {(int(d), t.node) for d, t in zip(tree.domain, topology.targets, strict=True)}
    )
    counts = [own[place] for place in range(len(tree.parent))]
    for place in range(len(counts) - 1, 0, -1):
        counts[tree.parent[place]] += counts[place]
    return counts
