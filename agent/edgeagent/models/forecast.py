"""The built-in model `forecast`: what channels will be, with intervals that hold what they promise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgeagent.drivers.model.refusal import Refusal
from edgeagent.drivers.model.runtime import Description, NotYet, Output, Setup, Tensor
from edgeagent.drivers.model.runtimes.onnx import OnnxModel
from edgeagent.models.export import forecast_onnx
from edgeagent.models.forecaster import Shape
from edgeagent.models.moments import Array
from edgeagent.models.online import Online
from edgeagent.models.pace import Pace
from edgeagent.models.settings import Number, numbers, settled
from edgeagent.models.state import StateFile
from edgeagent_sdk.quantities import QUANTITIES

_SETTINGS: Final = {
    "lags": Number(60, 2, 1024, whole=True),
    "every": Number(120, 8, 100_000, whole=True),
    "memory": Number(20_000, 100, 1e9),
    "coverage": Number(0.9, 0.5, 0.99),
}
_AHEAD_STEPS: Final = 30
_HORIZON_MAX: Final = 512


class Served:
    """The weights of a forecaster as an ONNX model, run by onnxruntime like any other."""

    def __init__(self) -> None:
        self._model: OnnxModel | None = None
        self.content = b""

    def renew(self, weights: Array, margin: Array) -> None:
        """Serve these from now on."""
        self.content = forecast_onnx(weights, margin)
        self._model = OnnxModel(self.content)

    def __call__(self, window: Array) -> Array:
        """A forecast: from channels × lags to channels × horizon."""
        assert self._model is not None
        [forecast, *_] = self._model.run([window[None].astype(np.float32)])
        return np.asarray(forecast[0], dtype=np.float64)


class Forecast:
    """Forecasts of each input from its own past; a node's own, learned there.

    Args:
        clock: monotonic seconds; another one in tests.
    """

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.monotonic) -> None:
        ahead_s = numbers(setup.options, "ahead_s", [_AHEAD_STEPS * setup.step_s])
        others = {key: value for key, value in setup.options.items() if key != "ahead_s"}
        settings = settled(others, _SETTINGS)
        self._setup = setup
        self._ahead = {f"{seconds:g}s": round(seconds / setup.step_s) for seconds in ahead_s}
        horizon = max(self._ahead.values())
        if min(self._ahead.values()) < 1 or horizon > _HORIZON_MAX:
            raise Refusal(
                f"options: ahead_s = {ahead_s} at step_s = {setup.step_s:g}",
                f"must be 1 to {_HORIZON_MAX} steps ahead",
            )
        shape = Shape(
            len(setup.inputs), int(settings["lags"]), horizon, int(settings["every"]), settings["memory"]
        )
        self._served = Served()
        self._online = Online(shape, miss=1.0 - settings["coverage"], predict=self._served)
        self._pace = Pace(setup.step_s, clock)
        self._bounds = _bounds(setup.inputs)
        self._answer: Sequence[Array] = ()
        path = Path(setup.state) if setup.state else None
        self._export = path.with_name(f"{path.name}.onnx") if path else None
        self._state = StateFile(path.with_name(f"{path.name}.npz") if path else None, self._online)
        if (age_s := self._state.restore()) is not None:
            self._online.skip(round(age_s / setup.step_s) - 1)
        self._renew()

    def describe(self) -> Description:
        """Its tensors."""
        shape = self._online.shape
        given = Tensor("samples", (1, self._setup.window, shape.channels), "float64")
        outputs = [Tensor(n, (shape.channels, shape.horizon), "float64") for n in ("forecast", "low", "high")]
        summary = f"linear forecast of {shape.horizon} steps from {shape.lags}, refitted every {shape.every}"
        return Description([given], outputs, summary)

    def proposed(self) -> Sequence[Output]:
        """For each input and each time ahead the forecast and the ends of its interval."""
        return list(self._proposals())

    def run(self, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """Take the newest sample; the forecasts, and the ends of their intervals, NaN for channels without.

        Raises:
            NotYet: too few errors are known for an interval of any channel.
        """
        if steps := self._pace.steps():
            self._online.skip(steps - 1)
            self._take(np.asarray(inputs[0][0, -1], dtype=np.float64))
            self._state.save()
        if not self._online.bands.ready.any():
            raise NotYet("is learning: too few of its forecasts have been checked")
        return self._answer

    def close(self) -> None:
        """Keep what was learned, and the model as it is now."""
        self._state.save(now=True)
        if self._export:
            try:
                self._export.write_bytes(self._served.content)
            except OSError:
                pass  # a copy for others; the node itself does not read it

    def _take(self, sample: Array) -> None:
        if self._online.take(sample):
            self._renew()
        expected, margin = self._online.ahead()
        shown = np.where(self._online.bands.ready[:, None], expected, np.nan)
        self._answer = [np.clip(each, *self._bounds) for each in (shown, shown - margin, shown + margin)]

    def _renew(self) -> None:
        self._served.renew(self._online.forecaster.weights, self._online.bands.margin)

    def _proposals(self) -> Sequence[Output]:
        proposals = []
        for place, name in enumerate(self._setup.inputs):
            device, quantity, channel = name.split("/")
            for time_ahead, steps in self._ahead.items():
                index = place * self._online.shape.horizon + steps - 1
                stem = f"{device}.{channel}.{time_ahead}"
                for tensor, end in (("forecast", ""), ("low", ".low"), ("high", ".high")):
                    what = f"{name} in {time_ahead}" + (f", {tensor} end of the interval" if end else "")
                    proposals.append(Output(stem + end, quantity, tensor, index, what))
        return proposals


def _bounds(inputs: Sequence[str]) -> tuple[Array, Array]:
    """What the quantities can be at all: an interval ends there."""
    rows = [QUANTITIES[name.split("/")[1]] for name in inputs]
    return np.array([[row.minimum] for row in rows]), np.array([[row.maximum] for row in rows])
