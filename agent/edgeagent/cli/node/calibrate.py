"""`edgeagent node calibrate`: what a technician reads off two meters, made the node's own correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from edgeagent.cli.node import session
from edgeagent.cli.options import Json
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

if TYPE_CHECKING:
    from edgeagent_sdk.nodemap import NodeChannel


class Line(NamedTuple):
    """true = measured × (1 + gain) + offset, the offset in the quantity's unit."""

    gain: float
    offset: float

    def after(self, first: Line) -> Line:
        """The one line that does what `first` and then this one do."""
        return Line((1 + first.gain) * (1 + self.gain) - 1, first.offset * (1 + self.gain) + self.offset)


def calibrate(
    channel: Annotated[
        str, typer.Argument(help="quantity/channel, e.g. temperature/inlet.", show_default="show all")
    ] = "",
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHOWN:TRUE",
            help="What the node shows now and what is true; one corrects the offset, more the gain as well.",
        ),
    ] = None,
    gain: Annotated[
        float | None, typer.Option(help="The gain itself, e.g. 0.01 for 1 % more than measured.")
    ] = None,
    offset: Annotated[float | None, typer.Option(help="The offset itself, in the quantity's unit.")] = None,
    port: session.PortName = "",
    baud: session.Baud = 115_200,
    slave_id: session.SlaveId = 1,
    json: Json = False,
) -> None:
    """Show how the node corrects what it measures, or correct a channel: by points, or gain and offset.

    It makes true = measured × (1 + gain) + offset. Points come on top of the correction that the node
    makes already, for that is in what it shows.
    """
    from edgeagent.cli.node.settings import write_settings
    from edgeagent_sdk.nodemap import CALIBRATION

    points = [_point(text) for text in point or []]
    given = gain is not None or offset is not None
    if points and given:
        raise EdgeError("give points, or gain and offset, not both")
    if (points or given) and not channel:
        raise EdgeError("name the channel to correct, e.g. temperature/inlet")
    chosen = _channel(channel) if channel else None
    with session.connect(port, baud, slave_id) as node:
        if chosen and (points or given):
            now = _line(chosen, node.read(CALIBRATION))
            line = (
                fit(points).after(now)
                if points
                else Line(now.gain if gain is None else gain, now.offset if offset is None else offset)
            )
            write_settings(node, CALIBRATION, _counts(chosen, line))
        rows = _rows(node.read(CALIBRATION), chosen)
    show(rows, ["channel", "quantity", "gain", "offset", "unit"], as_json=json)


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """The line through (shown, true) points: of least squares if there are more than two.

    Raises:
        EdgeError: several points, all of one shown value.
    """
    count = len(points)
    mean_x, mean_y = (sum(point[i] for point in points) / count for i in (0, 1))
    if count == 1:
        return Line(0.0, mean_y - mean_x)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0.0:
        raise EdgeError("the points have one shown value; take them far apart")
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return Line(slope - 1, mean_y - slope * mean_x)


def _point(text: str) -> tuple[float, float]:
    shown, _, true = text.partition(":")
    try:
        return float(shown), float(true)
    except ValueError:
        raise EdgeError(f"--point {text}: write <shown>:<true>, e.g. 20.5:21.0") from None


def _channel(name: str) -> NodeChannel:
    from edgeagent_sdk.nodemap import CHANNELS

    known = {f"{channel.quantity}/{channel.name}": channel for channel in CHANNELS}
    if name not in known:
        raise EdgeError(f"the node has no channel {name!r}; {nearest(name, list(known))}")
    return known[name]


def _line(channel: NodeChannel, values: dict[str, int]) -> Line:
    field = f"{channel.quantity}_{channel.name}"
    return Line(values[f"{field}_gain"] * 1e-6, values[f"{field}_offset"] * channel.scale)


def _counts(channel: NodeChannel, line: Line) -> dict[str, int]:
    from edgeagent_sdk.nodemap import CALIBRATION
    from edgeagent_sdk.quantities import quantity

    units = {
        "gain": (line.gain, 1e-6, ""),
        "offset": (line.offset, channel.scale, quantity(channel.quantity).unit),
    }
    counts = {}
    for what, (value, scale, unit) in units.items():
        field = CALIBRATION.field(f"{channel.quantity}_{channel.name}_{what}")
        if not math.isfinite(value):
            raise EdgeError("a correction must be a finite number")
        counts[field.name] = round(value / scale)
        if not field.minimum <= counts[field.name] <= field.maximum:
            low, high = field.minimum * scale, field.maximum * scale
            raise EdgeError(f"{what}: {value:g} is outside {low:g} to {high:g} {unit}".rstrip())
    return counts


def _rows(values: dict[str, int], only: NodeChannel | None) -> list[dict[str, Any]]:
    from edgeagent_sdk.nodemap import CHANNELS
    from edgeagent_sdk.quantities import quantity

    return [
        {
            "channel": channel.name,
            "quantity": channel.quantity,
            **_line(channel, values)._asdict(),
            "unit": quantity(channel.quantity).unit,
        }
        for channel in CHANNELS
        if only in (None, channel)
    ]
