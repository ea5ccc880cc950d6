"""Designing a site for its servers, as an engineer would: racks, breakers, loops, room, conversion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from edgeagent_hil.twin.battery import Battery
from edgeagent_hil.twin.breakers import Breakers, breakers
from edgeagent_hil.twin.chips import full_speed_w
from edgeagent_hil.twin.coolant import loops
from edgeagent_hil.twin.kinds import Kind
from edgeagent_hil.twin.losses import loss_coefficients
from edgeagent_hil.twin.racks import phases_in_turn, racks
from edgeagent_hil.twin.room import room
from edgeagent_hil.twin.servers import Servers, servers
from edgeagent_hil.twin.site import Site
from edgeagent_hil.twin.supplies import supply_loss_w
from edgeagent_hil.twin.units import Array

#: Preferred ratings: IEC 60898-1, 5.3.2, up to 125 A; above, the series R10 of ISO 3 as makers offer it.
RATINGS_A: Final = (
    6, 10, 13, 16, 20, 25, 32, 40, 50, 63, 80, 100, 125,
    160, 200, 250, 400, 630, 800, 1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6300,
)  # fmt: skip
_MINIATURE_MAX_A: Final = 125

#: A breaker is loaded to at most this share for long. Source: NEC (NFPA 70) 210.20, 80 % of its rating.
_LOADING: Final = 0.8

#: A rack's PDU and cable lose this share at full current. An estimate.
_FEED_LOSS: Final = 0.008

#: Junction temperature that leakage is reckoned with.
_WARM_C: Final = 70.0

#: Load share and efficiency of a double-conversion supply with its transformer. An estimate for today's:
#: data sheets name 95 % to 97 % from half load on.
_CONVERSION: Final = ((0.25, 0.945), (0.5, 0.96), (0.75, 0.962), (1.0, 0.96))


def peak_w(servers: Servers) -> Array:
    """What each server draws at most, at its supply's input; shape (n,)."""
    everything = np.ones(servers.shape)
    chips_w = full_speed_w(servers.chips, everything, np.full(servers.shape, _WARM_C))
    chips_w = np.minimum(chips_w, servers.chips.cap_max_w) * servers.chips.exists
    dc_w = chips_w.sum(axis=0) + servers.board_w + servers.fans.power_max_w
    most_w: Array = dc_w + supply_loss_w(servers.supplies, dc_w, np.ones_like(dc_w))
    return most_w


def coolant_share(servers: Servers) -> Array:
    """Share of a server's power that goes into its coolant, about; shape (n,)."""
    full_w = servers.chips.dynamic_w[-1] + servers.chips.leakage_w + servers.chips.idle_w
    liquid_w = (full_w * (servers.heat.plate_w_per_k > 0)).sum(axis=0)
    share: Array = liquid_w / ((full_w * servers.chips.exists).sum(axis=0) + servers.board_w)
    return share


def rated(load_a: Array) -> Array:
    """The smallest preferred ratings that carry `load_a` for long; of several of the largest beyond that,
    which then count as one breaker."""
    wanted_a = load_a / _LOADING
    ratings = np.asarray(RATINGS_A, float)
    single_a = ratings[np.minimum(np.searchsorted(ratings, wanted_a), len(ratings) - 1)]
    several_a = np.ceil(wanted_a / ratings[-1]) * ratings[-1]
    return np.where(wanted_a > ratings[-1], several_a, single_a)


def site(
    kinds: Sequence[Kind],
    counts: Sequence[int],
    *,
    seed: int | None = None,
    per_rack: int = 20,
    racks_per_loop: int = 3,
    nominal_v: float = 230.0,
    rack_rated_a: float | None = None,
    battery: Battery | None = None,
) -> Site:
    """A site of `counts[i]` servers of `kinds[i]`.

    Args:
        seed: makes no two servers of a kind quite alike, the same way each time; None makes them alike.
        per_rack: servers in a rack, of one kind or another.
        racks_per_loop: racks that share a cooling distribution unit.
        rack_rated_a: of the racks' breakers; by default what their load asks for. Less oversubscribes them.
    """
    rng = None if seed is None else np.random.default_rng(seed)
    fleet = servers(kinds, counts, rng)
    of_server = np.arange(fleet.shape[1]) // per_rack
    count = int(of_server[-1]) + 1
    loop_of_server = of_server // racks_per_loop
    most_w = peak_w(fleet)
    phase = phases_in_turn(of_server)
    most_a = most_w / fleet.supplies.power_factor / nominal_v
    phase_a = np.bincount(phase * count + of_server, most_a, 3 * count).reshape(3, count)
    rating_a = rated(phase_a.max(axis=0)) if rack_rated_a is None else np.full(count, rack_rated_a)
    air_w = most_w * (1 - coolant_share(fleet))
    loop_w = np.bincount(loop_of_server, most_w - air_w)
    total_w = float(most_w.sum())
    return Site(
        servers=fleet,
        racks=racks(
            of_server,
            phase,
            fleet.supplies.power_factor,
            _FEED_LOSS * nominal_v / rating_a,
            _breakers(rating_a),
        ),
        # A loop without cold plates still has its pipes: it is sized for a watt, and carries nothing.
        loops=loops(np.maximum(1.15 * loop_w, 1.0)),
        loop_of_server=loop_of_server,
        room=room(float(air_w.sum())),
        main=_breakers(rated(phase_a.sum(axis=1).max(keepdims=True))),
        conversion_rated_w=1.25 * total_w,
        conversion_loss=loss_coefficients(_CONVERSION),
        battery=battery or Battery(),
        nominal_v=nominal_v,
    )


def _breakers(rating_a: Array) -> Breakers:
    """Miniature breakers where all ratings are small enough, else moulded-case ones."""
    return breakers("iec-c" if rating_a.max() <= _MINIATURE_MAX_A else "iec-mccb", rating_a)
