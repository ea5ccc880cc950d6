"""Fake /sys trees of the sizes that the rows want."""

from __future__ import annotations

from pathlib import Path


def hwmon_tree(root: Path, chips: int, inputs: int) -> list[Path]:
    """Chips ``chip0`` … with so many temperatures each; the files that hold them.

    `root` also has the empty ``proc`` that programs expect beside ``sys``.
    """
    (root / "proc").mkdir(parents=True)
    files = []
    for chip in range(chips):
        directory = root / "sys" / "class" / "hwmon" / f"hwmon{chip}"
        directory.mkdir(parents=True)
        (directory / "name").write_text(f"chip{chip}\n")
        for i in range(1, inputs + 1):
            file = directory / f"temp{i}_input"
            file.write_text(f"{40_000 + 100 * chip + 7 * i}\n")
            files.append(file)
    return files
