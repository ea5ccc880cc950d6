"""Channels computed from other channels of the node: sums, differences, ratios, heat, energy, PUE."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from edgeagent.drivers.virtual.channels import channel_of, check_counters
from edgeagent.drivers.virtual.examination import mistakes
from edgeagent.drivers.virtual.expression import ChannelMissing, Expression, Input
from edgeagent.drivers.virtual.integrator import Integrator
from edgeagent.drivers.virtual.totals import Totals
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Options, Readings, Sensor, Source
from edgeagent_sdk.errors import DriverError, EdgeError

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


_Key = tuple[str, str, str]
"""Device, quantity and channel of an input."""


@dataclass
class _Output:
    """One channel: what it takes, and how its value comes about; or why it has none for now."""

    inputs: list[_Key] = field(default_factory=list)
    evaluate: Callable[[Sequence[float], float], float] = lambda values, at_s: math.nan
    integrators: list[Integrator] = field(default_factory=list)
    trouble: Fault | None = None
    waits: bool = False


class VirtualSensor(Sensor):
    """Expressions over what other devices read; an input that fails or is old fails its outputs."""

    Options = VirtualOptions
    summary = "channels computed from other channels"
    reads_others = True

    def __init__(self, host: Host, options: VirtualOptions) -> None:
        super().__init__(host, options)
        self.options: VirtualOptions = options
        self._totals: dict[str, Totals] = {}
        self._sources: dict[_Key, Source] = {}
        self._outputs: dict[str, _Output] = {}
        self._version = 0

    @classmethod
    def examine(cls, host: Host, options: VirtualOptions) -> Iterable[tuple[tuple[str, ...], str]]:
        """The expressions' mistakes, each with its column."""
        if host.readings:
            for key, column, reason in mistakes(options.channels, host.readings):
                yield ("channels", key), f"column {column}: {reason}"

    def open(self) -> Sequence[Channel]:
        """Find the channels that the expressions name; devices that open at the same time are awaited."""
        readings = self._readings()
        channels = [channel_of(key, formula) for key, formula in self.options.channels.items()]
        if not self._totals:
            self._totals = {key: Totals(self.host, key, text) for key, text in self.options.channels.items()}
        deadline_s = time.monotonic() + _PATIENCE_S
        self._bind(readings)
        while any(output.waits for output in self._outputs.values()) and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)
            self._bind(readings)
        return channels

    def read(self) -> Sequence[Value]:
        """Every expression's value; its fault if it has none, or one of its inputs has none."""
        readings = self._readings()
        if readings.version != self._version:
            self._bind(readings)
        now_s = time.monotonic()
        latest = {key: source.latest() for key, source in self._sources.items()}
        self.age_s = max((age_s for _, age_s in latest.values()), default=0.0)
        inputs = {key: value for key, (value, _) in latest.items()}
        values = [_value(output, inputs, now_s) for output in self._outputs.values()]
        for totals in self._totals.values():
            totals.save()
        return values

    def close(self) -> None:
        """Keep the totals."""
        for totals in self._totals.values():
            totals.save(now=True)
        self._outputs = {}

    def _readings(self) -> Readings:
        if self.host.readings is None:
            raise DriverError("other channels can only be had inside an agent", "try: edgeagent run")
        return self.host.readings

    def _bind(self, readings: Readings) -> None:
        self._version = readings.version  # before the look: what changes meanwhile makes another
        before, self._sources = self._outputs, {}
        self._outputs = {key: self._output(readings, key) for key in self.options.channels}
        for key, output in self._outputs.items():
            if key in before and before[key].inputs == output.inputs:
                for new, old in zip(output.integrators, before[key].integrators, strict=False):
                    new.go_on_from(old)

    def _output(self, readings: Readings, key: str) -> _Output:
        """An expression, bound; what is wrong with one is no other's trouble."""
        formula = self.options.channels[key]
        sources: dict[_Key, Source] = {}
        try:
            expression = Expression(formula, lambda p: _look_up(readings, p, sources), self.options.gap_s)
            channel = channel_of(key, formula)
            check_counters(channel, expression)
            evaluate = expression.to(channel.quantity.unit)
        except (EdgeError, ArithmeticError, ValueError) as error:
            return _Output(trouble=Fault(str(error)), waits=isinstance(error, ChannelMissing))
        self._sources |= sources
        self._totals[key].lend(expression.integrators)
        return _Output([each[:3] for each in expression.inputs], evaluate, expression.integrators)


def _look_up(readings: Readings, pattern: str, sources: dict[_Key, Source]) -> list[Input]:
    if waiting := readings.waiting(pattern):
        raise ChannelMissing(f"{{{pattern}}} waits for {', '.join(waiting)}, not open yet")
    found = readings.find(pattern)
    for source in found:
        sources[source.device, *source.channel.key] = source
    return [Input(s.device, *s.channel.key, s.channel.quantity.unit) for s in found]


def _value(output: _Output, inputs: dict[_Key, Value], now_s: float) -> Value:
    chosen = [inputs[key] for key in output.inputs]
    numbers = [value for value in chosen if not isinstance(value, Fault)]
    fault = output.trouble or next((value for value in chosen if isinstance(value, Fault)), None)
    result = fault or _computed(output, numbers, now_s)
    if isinstance(result, Fault):
        for integrator in output.integrators:
            integrator.skip()
    return result


def _computed(output: _Output, numbers: Sequence[float], now_s: float) -> Value:
    try:
        value = output.evaluate(numbers, now_s)
    except (ArithmeticError, ValueError) as error:
        return Fault(f"cannot be computed: {error}")
    return Fault("a division by 0, or a root of less") if math.isnan(value) else value
