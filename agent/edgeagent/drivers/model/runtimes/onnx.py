"""ONNX files, by onnxruntime."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgeagent.drivers.model.footprint import release_code
from edgeagent.drivers.model.refusal import Refusal
from edgeagent.drivers.model.runtime import OPEN, Description, Tensor
from edgeagent.drivers.model.runtimes.onnxgraph import operators

if TYPE_CHECKING:
    from numpy.typing import NDArray

REMEDY: Final = "pip install 'edgeagent[inference]'"

#: Element types of ONNX that numpy calls otherwise.
_NUMPY_NAMES: Final = {"float": "float32", "double": "float64"}

#: onnxruntime puts its own file, line and code before the reason.
_PREFIX: Final = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:Load model from .*? failed:)?(?:/\S+ \S.*?\) )?"
    r"|\S+\.cc:\d+ \S+(?: \[with.*?\])? ?"
)

#: How it tells of a file that is something else.
_NO_MODEL: Final = "Protobuf parsing failed"

#: How it tells that it got no memory.
_NO_MEMORY: Final = "std::bad_alloc"

_ERRORS_ONLY: Final = 3


class OnnxModel:
    """A session of onnxruntime: on one thread, sequential, without spinning.

    Args:
        model: the path of a file, or what would be in it.
    """

    def __init__(self, model: str | bytes) -> None:
        ort = _onnxruntime()
        try:
            self._session: Any = ort.InferenceSession(
                model, _options(ort), providers=["CPUExecutionProvider"]
            )
        except MemoryError:
            raise
        except Exception as error:
            if _NO_MEMORY in str(error):
                raise MemoryError from None
            reason = _PREFIX.sub("", str(error)) or type(error).__name__
            raise Refusal(f"is no ONNX model: {reason}" if _NO_MODEL in reason else reason) from None
        release_code()  # each session touches all of onnxruntime anew, and a built-in model makes many
        self._path = model if isinstance(model, str) else None
        self._summary = f"onnxruntime {ort.__version__}"
        self._names = [given.name for given in self._session.get_inputs()]

    def describe(self) -> Description:
        """The inputs and outputs of its graph."""
        session = self._session
        return Description(_tensors(session.get_inputs()), _tensors(session.get_outputs()), self._summary)

    def operators(self) -> Sequence[str]:
        """As its file has them, before onnxruntime makes fewer of them."""
        return operators(Path(self._path).read_bytes()) if self._path else ()

    def run(self, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """One inference."""
        given = dict(zip(self._names, inputs, strict=True))
        try:
            outputs: Sequence[NDArray[Any]] = self._session.run(None, given)
        except Exception as error:
            if _NO_MEMORY in str(error):
                raise MemoryError from None
            raise
        return outputs


load = OnnxModel


def _onnxruntime() -> Any:
    try:
        return import_module("onnxruntime")
    except ImportError as error:
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"does not load: {error}"
        raise Refusal(f"the Python package onnxruntime {reason}", REMEDY) from None


def _options(ort: Any) -> Any:
    """One thread, no pool, nothing set aside.

    By default onnxruntime keeps a thread for each core, and after each inference they spin for the next:
    three layers of 512 at 10 Hz then take 50 % of a core, against 0.5 % so (measured on 2 cores of x86-64).
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _ERRORS_ONLY
    return options


def _tensors(given: Sequence[Any]) -> list[Tensor]:
    return [Tensor(each.name, _shape(each.shape), _dtype(each.type)) for each in given]


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else OPEN for size in shape)


def _dtype(words: str) -> str:
    """``tensor(float)`` as numpy calls it; anything but a tensor as onnxruntime does."""
    element = words.removeprefix("tensor(").removesuffix(")")
    return words if not words.startswith("tensor(") else _NUMPY_NAMES.get(element, element)
