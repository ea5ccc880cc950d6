"""The site of the backtest: servers in racks, on PDUs, on switchboards, below one contract."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.backtest.world import IDLE_W, MAX_W, MIN_W, World
from edgeagent_central.optimize.power.profiles import shipped
from edgeagent_central.optimize.power.site import Site, Thermal
from edgeagent_central.optimize.power.tree import Array, Tree

_PER_RACK, _PER_PDU, _PER_BOARD = 24, 10, 10

#: Racks, PDUs and switchboards are built for so much of the most that they are asked for: planners leave
#: less where more loads come together. All are far below what their servers could draw at once.
_BUILT: Final = {"rack": 1.15, "pdu": 1.05, "board": 0.99, "site": 1.0}

#: Bimetal of a moulded-case breaker (IEC 60947-2): it just carries 1.05 times its rating; an estimate for τ.
_TAU_S, _TRIP = 120.0, 1.05**2


def site(world: World, peak_w: Array | None = None, budget: float = 1.0) -> Site:
    """The site around `world`.

    Args:
        peak_w: shape (d,), what each domain would carry at most if nothing held it; None: limits nothing.
        budget: the contract, as a share of the root's.
    """
    servers = len(world.kinds)
    racks = -(-servers // _PER_RACK)
    pdus = -(-racks // _PER_PDU)
    boards = -(-pdus // _PER_BOARD)
    names, parent, first = ["site"], [-1], {}
    for board in range(boards):
        names.append(f"board-{board}")
        parent.append(0)
        board_at = len(parent) - 1
        for pdu in range(board * _PER_BOARD, min((board + 1) * _PER_BOARD, pdus)):
            names.append(f"pdu-{pdu}")
            parent.append(board_at)
            pdu_at = len(parent) - 1
            for rack in range(pdu * _PER_PDU, min((pdu + 1) * _PER_PDU, racks)):
                names.append(f"rack-{rack}")
                parent.append(pdu_at)
                first[rack] = len(parent) - 1
    tree = Tree.build(parent, [np.inf] * len(parent), [first[leaf // _PER_RACK] for leaf in range(servers)])
    if peak_w is not None:
        lowest_w = tree.load_w(np.full(servers, 1.05 * MIN_W))
        built = np.array([_BUILT[name.partition("-")[0]] for name in names])
        limit_w = np.maximum(built * peak_w, lowest_w)
        limit_w[0] = budget * peak_w[0]
        tree = replace(tree, limit_w=limit_w)
    kinds = list(shipped())
    fallback_w = MIN_W + 0.5 * (MAX_W - MIN_W) if peak_w is None else _fair_w(tree, servers)
    return Site(
        name="backtest",
        tree=tree,
        domains=tuple(names),
        leaves=tuple(f"server-{leaf}" for leaf in range(servers)),
        ramp_up_w_per_s=np.full(len(parent), np.inf),
        ramp_down_w_per_s=np.full(len(parent), np.inf),
        breakers={
            domain: Thermal(float(tree.limit_w[domain]), _TAU_S, _TRIP)
            for domain in range(1, len(parent))
            if np.isfinite(tree.limit_w[domain])
        },
        storage={},
        diverse=np.array([not name.startswith(("rack", "pdu")) for name in names]),
        idle_w=np.full(servers, IDLE_W),
        min_w=np.full(servers, MIN_W),
        max_w=np.full(servers, MAX_W),
        fallback_w=np.broadcast_to(fallback_w, servers).astype(float),
        clocked=np.ones(servers, bool),
        weight=world.weight,
        profiles=tuple(shipped().values()),
        profile=np.array([kinds.index(kind) for kind in world.kinds], np.intp),
    )


def _fair_w(tree: Tree, servers: int) -> Array:
    """A static cap for each that keeps every limit: what a node falls back to."""
    floor_w = np.full(servers, MIN_W)
    share = (tree.limit_w - tree.load_w(floor_w)) / np.maximum(
        tree.load_w(np.full(servers, MAX_W - MIN_W)), 1e-9
    )
    share = tree.lowest_above(share)
    fair_w: Array = MIN_W + np.clip(share[tree.domain], 0.0, 1.0) * (MAX_W - MIN_W)
    return fair_w
