"""Channels computed from other channels of the node: sums, differences, ratios, heat, energy, PUE."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.sysfs import text
from edgeagent.drivers.virtual.expression import ChannelMissing, Expression, ExpressionError, Input
from edgeagent.drivers.virtual.integrator import Integrator
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Options, Readings, Sensor, Source
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import QUANTITIES, Kind

#: The devices of an agent open within moments of each other; so long their channels are waited for.
_PATIENCE_S = 3.0
_LOOK_S = 0.05


class VirtualOptions(Options):
    """Keys of a virtual device."""

    channels: Annotated[
        dict[str, str],
        msgspec.Meta(description='by quantity/name: "pue/site" = "{meter/power/in} / sum({pdu/power/*})"'),
    ]
    gap_s: Annotated[
        float, msgspec.Meta(description="an integral adds nothing over a longer gap in its readings", gt=0)
    ] = 60.0


class _Output(NamedTuple):
    """One channel: where its inputs stand among all sources, and how its value comes about."""

    places: list[int]
    evaluate: Callable[[Sequence[float], float], float]
    integrators: list[Integrator]


class VirtualSensor(Sensor):
    """Expressions over what other devices read; an input that fails or is old fails its outputs."""

    Options = VirtualOptions
    summary = "channels computed from other channels"
    reads_others = True

    def __init__(self, host: Host, options: VirtualOptions) -> None:
        super().__init__(host, options)
        self.options: VirtualOptions = options
        # Another formula is another quantity: it begins a total of its own.
        key = zlib.crc32(repr(sorted(options.channels.items())).encode())
        state = host.state_dir and host.state_dir / f"virtual-{key:08x}.json"
        self._totals = TotalsFile(state, text(host.path("/proc/sys/kernel/random/boot_id")))
        self._sources: dict[tuple[str, str, str], Source] = {}
        self._outputs: list[_Output] = []

    def open(self) -> Sequence[Channel]:
        """Find the channels that the expressions name, and check the units."""
        readings = self.host.readings
        if readings is None:
            raise DriverError("other channels can only be had inside an agent", "try: edgeagent run")
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._bind(readings)
            except ChannelMissing as error:
                if time.monotonic() > deadline_s:
                    raise DriverError(str(error), retry_s=1.0) from None
                time.sleep(_LOOK_S)
            except ExpressionError as error:
                raise DriverError(str(error)) from None

    def read(self) -> Sequence[Value]:
        """Every expression's value; its fault if one of its inputs has none."""
        now_s = time.monotonic()
        latest = [source.latest() for source in self._sources.values()]
        self.age_s = max((age_s for _, age_s in latest), default=0.0)
        inputs = [value for value, _ in latest]
        values = [_value(output, inputs, now_s) for output in self._outputs]
        self._totals.save(self._counters())
        return values

    def close(self) -> None:
        """Keep the totals."""
        if self._outputs:
            self._totals.save(self._counters(), now=True)
        self._outputs = []

    def _bind(self, readings: Readings) -> list[Channel]:
        self._sources, self._outputs = {}, []
        channels = [self._bound(readings, key, text) for key, text in self.options.channels.items()]
        self._totals.restore(self._counters())
        return channels

    def _bound(self, readings: Readings, key: str, formula: str) -> Channel:
        quantity, _, name = key.partition("/")
        if quantity not in QUANTITIES or not name:
            hint = nearest(quantity, list(QUANTITIES))
            raise DriverError(f"channels: {key!r} is not quantity/name; {hint}")
        channel = Channel(name, quantity, description=formula)
        expression = Expression(formula, lambda pattern: self._look_up(readings, pattern), self.options.gap_s)
        if channel.quantity.kind is Kind.COUNTER and not expression.integrators:
            self._check_counters(expression)
        places = [list(self._sources).index(each[:3]) for each in expression.inputs]
        evaluate = expression.to(channel.quantity.unit)
        self._outputs.append(_Output(places, evaluate, expression.integrators))
        return channel

    def _check_counters(self, expression: Expression) -> None:
        """Only counters make a counter, unless something is integrated."""
        for each in expression.inputs:
            if QUANTITIES[each.quantity].kind is not Kind.COUNTER:
                raise DriverError(f"{expression.text!r}: {each.quantity} is no counter; use integral(…)")

    def _look_up(self, readings: Readings, pattern: str) -> list[Input]:
        found = readings.find(pattern)
        for source in found:
            self._sources[source.device, *source.channel.key] = source
        return [Input(s.device, *s.channel.key, s.channel.quantity.unit) for s in found]

    def _counters(self) -> Mapping[str, WrapCounter]:
        return {
            f"{key} {i}": integrator.counter
            for key, output in zip(self.options.channels, self._outputs, strict=False)
            for i, integrator in enumerate(output.integrators)
        }


def _value(output: _Output, inputs: Sequence[Value], now_s: float) -> Value:
    chosen = [inputs[place] for place in output.places]
    fault = next((value for value in chosen if isinstance(value, Fault)), None)
    if fault is None:
        value = output.evaluate([value for value in chosen if not isinstance(value, Fault)], now_s)
        return Fault("a division by 0, or a root of less") if math.isnan(value) else value
    for integrator in output.integrators:
        integrator.skip()
    return fault
