"""Where fuzz_modbus begins: seeds, each a series of the steps that it reads.

python fuzz/seeds_modbus.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

_STEPS = ("bytes", "frame", "silence", "pass")

_CONTROL = "frame 01 06 0000 4C45"
_CONFIG = "frame 01 06 0000 4346"
_PAUSE = "silence 06"

SEEDS = {
    "input": [
        "frame 01 04 0000 0014",
        "frame 01 04 0100 0040",
        "frame 01 04 0180 0025",
        "frame 01 04 0200 005B",
    ],
    "holding": [
        "frame 01 03 0000 0002",
        "frame 01 03 0010 000F",
        "frame 01 03 0100 000C",
        "frame 01 03 0200 0028",
    ],
    "lease": [_CONTROL, "frame 01 10 0010 0003 06 0000 0000 1388", "silence 10 47", "frame 01 03 0010 0003"],
    "all_setpoints": [_CONTROL, "frame 01 10 0010 000F 1E" + "0001 0000 1388" * 5, "silence 08"],
    "shedding": [
        _CONTROL,
        "frame 01 10 001C 0003 06 0000 0000 1388",
        "pass 15 16 17 18 30 40 50 60",
        "silence 20",
    ],
    "settings": [_CONFIG, "frame 01 06 0109 0000", "frame 01 10 0200 0002 04 0000 4000", "silence B0"],
    "calibration": [_CONFIG, "frame 01 10 0200 0028 50" + "00" * 80],
    "reset": [_CONFIG, "frame 01 06 0001 5E57", "frame 01 06 0001 B007"],
    "slave_id": [_CONFIG, "frame 01 06 0100 0007", "frame 07 04 0000 0001"],
    "identification": ["frame 01 2B 0E 01 00", "frame 01 2B 0E 04 02", "frame 01 2B 0D", _PAUSE],
    "broadcast": ["frame 00 06 0000 4C45", "frame 00 10 0016 0003 06 0BB8 0000 1388"],
    "noise": ["bytes FF 00 01 03", "frame 01 04 0000 0001", _PAUSE, "bytes 01 10 0010 0001 FE", _PAUSE],
    "unknown": ["frame 01 11", _PAUSE, "frame 01 17 0000 0001", _PAUSE],
    "guard": ["pass 15 16 7F 18", _CONTROL, "frame 01 10 0016 0003 06 0000 0000 1388", "pass" + " FF" * 16],
}


def _encoded(step: str) -> bytes:
    kind, _, text = step.partition(" ")
    data = bytes.fromhex(text)
    return bytes([_STEPS.index(kind), len(data)]) + data


def main(arguments: list[str]) -> int:
    """Write each seed into a file of its name."""
    if len(arguments) != 1:
        print("usage: seeds_modbus.py DIRECTORY", file=sys.stderr)
        return 2
    for name, steps in SEEDS.items():
        (Path(arguments[0]) / name).write_bytes(b"".join(map(_encoded, steps)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
