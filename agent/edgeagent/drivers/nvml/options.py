"""The options of the `nvml` driver."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgeagent_sdk.driver import Options


class NvmlOptions(Options):
    """Which GPU."""

    gpu: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            description="the GPU's UUID (GPU-…), or that of one of its MIG instances (MIG-…), "
            "as `nvidia-smi -L` shows it; or its number, e.g. 0, which may be another's after a boot",
        ),
    ]
