"""Power supplies, and the DC bus behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edgeagent_hil.twin.layout import Layout
from edgeagent_hil.twin.losses import loss_coefficients, loss_w
from edgeagent_hil.twin.units import Array


@dataclass(frozen=True)
class Supplies:
    """The constants of n power supplies; shape (n,), `loss` (3, n)."""

    rated_w: Array
    loss: Array
    power_factor: Array
    bus_v: Array
    bus_ohm: Array
    switch_ohm: Array


class Bus(NamedTuple):
    """A DC bus behind a hot-swap switch; shape (n,).

    Attributes:
        input_v, output_v: before and behind the switch.
        current_a: through it.
    """

    input_v: Array
    output_v: Array
    current_a: Array


def supplies(layout: Layout) -> Supplies:
    """The constants of a layout's power supplies."""
    return Supplies(
        rated_w=layout.servers(lambda kind: kind.supply.rated_w),
        loss=layout.servers(lambda kind: loss_coefficients(kind.supply.efficiency).tolist()),
        power_factor=layout.servers(lambda kind: kind.supply.power_factor),
        bus_v=layout.servers(lambda kind: kind.supply.bus_v),
        bus_ohm=layout.servers(lambda kind: kind.supply.bus_ohm),
        switch_ohm=layout.servers(lambda kind: kind.supply.switch_ohm),
    )


def supply_loss_w(supplies: Supplies, dc_w: Array, powered: Array) -> Array:
    """Heat in the supply while it gives `dc_w`; shape (n,)."""
    return loss_w(dc_w, supplies.rated_w, supplies.loss) * powered


def bus(supplies: Supplies, dc_w: Array) -> Bus:
    """The bus while it gives `dc_w`: Ohm's law, with the current at the nominal voltage; dead at 0 W."""
    current_a = dc_w / supplies.bus_v
    input_v = supplies.bus_v * (dc_w > 0) - supplies.bus_ohm * current_a
    return Bus(input_v, input_v - supplies.switch_ohm * current_a, current_a)
