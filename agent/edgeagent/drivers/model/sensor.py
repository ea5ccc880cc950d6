"""The `model` driver: what a model makes of the node's channels, as channels."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from edgeagent.drivers.model.history import History
from edgeagent.drivers.model.inputs import Inputs, mistakes
from edgeagent.drivers.model.options import ModelOptions, OutputKeys
from edgeagent.drivers.model.runtime import Output
from edgeagent.drivers.model.supervisor import Supervisor
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Occurrence, Sensor
from edgeagent_sdk.errors import DriverError

#: How long an inference took, as a channel.
_LATENCY: Final = Channel("inference", "latency", description="from the request to the answer")


class ModelSensor(Sensor):
    """A model in a process of its own; only what comes in time, and is a number, counts."""

    Options = ModelOptions
    summary = "ONNX and TFLite models on the node's own channels"
    reads_others = True

    def __init__(self, host: Host, options: ModelOptions) -> None:
        super().__init__(host, options)
        self.options: ModelOptions = options
        self._supervisor = Supervisor(
            options.model, options.path(host), _wanted(host, options), options.deadline_ms / 1e3
        )
        self._inputs: Inputs | None = None
        self._history = History(options.window, options.step_s, options.gap_s, len(options.inputs))
        self._scales = options.scales()
        self._outputs: list[tuple[OutputKeys, float]] = []

    @classmethod
    def examine(cls, host: Host, options: Any) -> Iterable[tuple[str, str]]:
        """Whether there are such inputs, and the model takes and gives what is configured."""
        if host.readings:
            yield from (("inputs", reason) for reason in mistakes(host.readings, options.inputs))
        sensor = cls(host, options)
        try:
            sensor._supervisor.trial()
        except DriverError as error:
            yield "builtin" if options.builtin else "file", str(error)
        finally:
            sensor.close()

    def open(self) -> Sequence[Channel]:
        """Find the inputs, and load the model.

        Raises:
            DriverError: it cannot be used; why, in one line.
        """
        if self._inputs is None:
            self._inputs = Inputs(self.host.readings, self.options.inputs)
        self._inputs.wait()
        loaded = self._supervisor.load()
        outputs = [*self.options.outputs] or [_keys(each) for each in loaded.proposed]
        self._outputs = [(output, output.factor()) for output in outputs]
        return [*(output.made(self.options.model) for output in outputs), _LATENCY]

    def read(self) -> Sequence[Value]:
        """One inference; faults in the place of what is not there in time.

        Raises:
            DriverError: the model is refused or disabled.
        """
        assert self._inputs is not None
        now_s = time.monotonic()
        values, self.age_s = self._inputs.latest()
        missing = next((value for value in values if isinstance(value, Fault)), None)
        # Built-in models know what to do without some of their inputs, a file does not.
        if not missing or self.options.builtin:
            self._history.add(now_s, self._scaled(values))
        if missing and (not self.options.builtin or all(isinstance(value, Fault) for value in values)):
            return self._all(missing)
        window = self._history.window(now_s)
        if not self.options.builtin and (gaps := sum(map(math.isnan, window))):
            return self._all(
                Fault(f"{gaps // len(values)} of the window's {self.options.window} samples are missing")
            )
        begun_s = time.monotonic()
        answer = self._supervisor.ask(window)
        took_s = time.monotonic() - begun_s
        if answer.fault:
            return self._all(Fault(f"{self.options.model}: {answer.fault}"))
        numbers = zip(self._outputs, answer.values, strict=True)
        return [*(self._value(*output, number, missing) for output, number in numbers), took_s]

    def close(self) -> None:
        """End the model's process."""
        self._supervisor.end()

    def occurrences(self) -> Sequence[Occurrence]:
        """What the model has found, and what has become of its process."""
        news, self._supervisor.news = self._supervisor.news, []
        return news

    def _scaled(self, values: Sequence[Value]) -> list[float]:
        return [
            math.nan if isinstance(value, Fault) else (value - offset) / scale
            for value, (offset, scale) in zip(values, self._scales, strict=True)
        ]

    def _value(self, output: OutputKeys, factor: float, number: float, missing: Fault | None) -> Value:
        if math.isfinite(number):
            return factor * (output.offset + output.scale * number)
        return missing or Fault(f"{self.options.model} gave {number:g}, which is no number")

    def _all(self, fault: Fault) -> list[Value]:
        return [fault] * (len(self._outputs) + 1)


def _wanted(host: Host, options: ModelOptions) -> dict[str, Any]:
    """What the model's process is told."""
    state = ""
    if options.builtin and host.state_dir:
        learned_of = f"{options.builtin} {options.inputs} {options.step_s} {options.window} {options.options}"
        state = str(host.state_dir / f"model-{zlib.crc32(learned_of.encode()):08x}")
    return {
        "file": str(options.path(host) or ""),
        "builtin": options.builtin,
        "inputs": options.inputs,
        "window": options.window,
        "step_s": options.step_s,
        "layout": options.layout,
        "options": options.options,
        "state": state,
        "memory_mb": options.memory_mb,
        "outputs": [(each.tensor, each.index) for each in options.outputs],
    }


def _keys(proposed: Output) -> OutputKeys:
    channel, quantity, tensor, place, description = proposed
    return OutputKeys(channel=channel, quantity=quantity, tensor=tensor, index=place, description=description)
