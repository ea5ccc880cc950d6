"""What the API says of nodes and series, as plain rows."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import msgspec

from edgeagent_central.fleet import Fleet, Node
from edgeagent_central.stores.base import Series
from edgeagent_sdk.lineproto import decode_head
from edgeagent_sdk.quantities import QUANTITIES


def nodes(fleet: Fleet) -> list[dict[str, Any]]:
    """One row for each node, by site and name."""
    with fleet.lock:
        return [_row(node) for _, node in sorted(fleet.nodes.items())]


def detail(fleet: Fleet, node: Node) -> dict[str, Any]:
    """A node's row, its channels' last values and its description."""
    with fleet.lock:
        row, latest = _row(node), dict(node.latest)
    now = time.time_ns()
    values = []
    for head, (value, time_ns) in sorted(latest.items()):
        quantity, channel, device, _ = decode_head(head)
        values.append(
            {
                "quantity": quantity,
                "channel": channel,
                "device": device,
                "unit": QUANTITIES[quantity].unit,
                "value": value,
                "time_ns": time_ns,
                "age_s": (now - time_ns) / 1e9,
            }
        )
    described = msgspec.to_builtins(node.describe) if node.describe else None
    return row | {"latest": values, "describe": described}


def latest(fleet: Fleet, site: str, quantities: Collection[str]) -> dict[str, Any]:
    """The last value of every channel of these quantities: ``[series, value, nanoseconds UTC]``."""
    rows = []
    for node in _of(fleet, site):
        with fleet.lock:  # not for all of them at once: the intake takes it as well
            rows += [(text, *node.latest[head]) for name in quantities for text, head in node.series(name)]
    return {"now_ns": time.time_ns(), "latest": rows}


def _of(fleet: Fleet, site: str) -> list[Node]:
    with fleet.lock:
        return [node for identity, node in fleet.nodes.items() if site in ("", identity.site)]


def series(found: Series) -> dict[str, Any]:
    """A series out of the store, with its unit."""
    known = QUANTITIES.get(found.quantity)
    return found._asdict() | {"unit": known.unit if known else ""}


def _row(node: Node) -> dict[str, Any]:
    state, header = node.state, node.header
    return {
        "site": node.identity.site,
        "node": node.identity.node,
        "status": state.status.value if state else "unknown",
        "since_ns": state.since_ns if state else None,
        "clock": header.clock if header else state.clock if state else "",
        "last_ns": node.newest_ns or None,
        "age_s": (time.time_ns() - node.newest_ns) / 1e9 if node.newest_ns else None,
        "readings": node.readings,
        "batches": node.batches,
        "duplicates": node.duplicates,
        "rate_per_s": round(node.rate.per_s(), 2),
        "gaps": sum(seen.gaps for seen in node.seen.values()),
        "missing": sum(seen.missing for seen in node.seen.values()),
        "channels": len(node.latest),
        "dead_letters": node.dead_letters,
        "boot": header.boot if header else "",
        "instance": state.instance if state else "",
    }
