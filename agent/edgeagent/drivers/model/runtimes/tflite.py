"""TFLite files, by LiteRT (`ai-edge-litert`), or by `tflite-runtime` where that is what installs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from edgeagent.drivers.model.refusal import Refusal
from edgeagent.drivers.model.runtime import OPEN, Description, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Module and package, the better one first.
_RUNTIMES: Final = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
)
_REMEDY: Final = "pip install 'edgeagent[litert]', or 'edgeagent[tflite]' where there is no LiteRT"
_OLD_NUMPY: Final = "pip install 'numpy<2', or 'edgeagent[litert]' in its place"


class Scale(NamedTuple):
    """What the integers of a quantized tensor stand for: ``factor * (integer - zero)``.

    Source: TensorFlow Lite 8-bit quantization specification.
    """

    factor: float
    zero: int

    def numbers(self, integers: NDArray[Any]) -> NDArray[Any]:
        """What they stand for."""
        import numpy as np

        numbers: NDArray[Any] = (integers.astype(np.float32) - self.zero) * np.float32(self.factor)
        return numbers

    def integers(self, numbers: NDArray[Any], dtype: Any) -> NDArray[Any]:
        """The nearest that there are."""
        import numpy as np

        bounds = np.iinfo(dtype)
        whole: NDArray[Any] = np.rint(numbers / self.factor) + self.zero
        nearest: NDArray[Any] = np.clip(whole, bounds.min, bounds.max).astype(dtype)
        return nearest


class TfliteModel:
    """An interpreter on one thread. Quantized inputs and outputs are floats outside."""

    def __init__(self, path: str) -> None:
        interpreter, self._summary = _interpreter()
        try:
            self._interpreter: Any = interpreter(model_path=path, num_threads=1)
            self._interpreter.allocate_tensors()
        except MemoryError:
            raise
        except Exception as error:
            raise Refusal(str(error) or type(error).__name__) from None
        self._bind()

    def _bind(self) -> None:
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    def describe(self) -> Description:
        """The inputs and outputs of its first subgraph."""
        inputs, outputs = ([_tensor(each) for each in each] for each in (self._inputs, self._outputs))
        return Description(inputs, outputs, self._summary)

    def operators(self) -> Sequence[str]:
        """As the interpreter's own tools ask for them; a runtime that does not tell has none."""
        tell: Callable[[], list[dict[str, Any]]] = getattr(self._interpreter, "_get_ops_details", list)
        return [each["op_name"] for each in tell() if each["op_name"] != "DELEGATE"]

    def run(self, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """One inference."""
        self._resize(inputs)
        for detail, value in zip(self._inputs, inputs, strict=True):
            scale = _scale(detail)
            self._interpreter.set_tensor(
                detail["index"], scale.integers(value, detail["dtype"]) if scale else value
            )
        self._interpreter.invoke()
        return [self._output(detail) for detail in self._outputs]

    def _resize(self, inputs: Sequence[NDArray[Any]]) -> None:
        """Where the model leaves its size open, the interpreter is told it."""
        changed = False
        for detail, value in zip(self._inputs, inputs, strict=True):
            if tuple(detail["shape"]) != value.shape:
                self._interpreter.resize_tensor_input(detail["index"], value.shape)
                changed = True
        if changed:
            self._interpreter.allocate_tensors()
            self._bind()

    def _output(self, detail: Any) -> NDArray[Any]:
        value: NDArray[Any] = self._interpreter.get_tensor(detail["index"])
        scale = _scale(detail)
        return scale.numbers(value) if scale else value


load = TfliteModel


def _interpreter() -> tuple[Any, str]:
    """The interpreter's class, and what it is. Raises Refusal."""
    for module, package in _RUNTIMES:
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        _check_numpy(package, installed)
        try:
            return import_module(module).Interpreter, f"{package} {installed}"
        except (ImportError, AttributeError) as error:
            raise Refusal(f"the Python package {package} does not load: {error}", _REMEDY) from None
    raise Refusal("neither of the Python packages ai-edge-litert and tflite-runtime is installed", _REMEDY)


def _check_numpy(package: str, installed: str) -> None:
    """`tflite-runtime` was built for numpy 1, and nothing newer of it has come."""
    try:
        numpy = version("numpy")
    except PackageNotFoundError:
        raise Refusal("the Python package numpy is not installed", _REMEDY) from None
    if package == "tflite-runtime" and int(numpy.partition(".")[0]) >= 2:
        raise Refusal(f"tflite-runtime {installed} does not work with numpy {numpy}", _OLD_NUMPY)


def _scale(detail: Any) -> Scale | None:
    factor, zero = detail["quantization"]
    return Scale(factor, zero) if factor and detail["dtype"].__name__ in ("int8", "uint8", "int16") else None


def _tensor(detail: Any) -> Tensor:
    signature = detail.get("shape_signature", ())
    shape = tuple(int(n) for n in (signature if len(signature) else detail["shape"]))
    dtype = "float32" if _scale(detail) else detail["dtype"].__name__
    return Tensor(detail["name"], tuple(OPEN if n < 0 else n for n in shape), dtype)
