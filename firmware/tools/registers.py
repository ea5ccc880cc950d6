"""Make what others need of the register map: the firmware's header, and a page for people.

python firmware/tools/registers.py c firmware/build/registers.h
python firmware/tools/registers.py markdown docs/registers.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import IntEnum, IntFlag
from pathlib import Path

from edgeagent_sdk import nodemap
from edgeagent_sdk.nodemap import BLOCKS, CHANNELS, OUTPUTS, Block, Field

_ENUMS: tuple[type[IntEnum | IntFlag], ...] = (
    nodemap.Board,
    nodemap.Capability,
    nodemap.Alarm,
    nodemap.Source,
    nodemap.SafeState,
    nodemap.EventCode,
    nodemap.ResetCause,
    nodemap.Chip,
)

_NUMBERS = (
    "MAGIC",
    "MAP_VERSION",
    "KEY_CONTROL",
    "KEY_CONFIG",
    "CONFIG_UNLOCKED_MS",
    "RESET_PLAIN",
    "RESET_TO_BOOT",
    "LEASE_MAX_MS",
    "NO_LIMIT_W",
    "EVENTS",
)


def header() -> str:
    """C: addresses, offsets within blocks, lengths, enumerations, and the rules for what may be written."""
    parts = [
        "// Made by firmware/tools/registers.py from sdk/edgeagent_sdk/nodemap.py: change it there.",
        "#pragma once",
        "#include <stdint.h>",
        "",
        *(f"#define {name} {_c(getattr(nodemap, name))}" for name in _NUMBERS),
        "#define NO_VALUE INT32_MIN",
        "",
        *(line for enum in _ENUMS for line in _enum(enum)),
        *_list("channel", "CHANNEL", (f"{c.quantity}_{c.name}" for c in CHANNELS)),
        "",
        *_list("output_number", "OUTPUT", (o.name for o in OUTPUTS)),
        "",
        f"#define OUTPUT_MAXIMA {{{', '.join(_c(o.maximum) for o in OUTPUTS)}}}",
        "",
        *(line for block in BLOCKS for line in _block(block)),
    ]
    return "\n".join(parts) + "\n"


def _c(number: int) -> str:
    return f"0x{number:X}u" if number >= 0 else f"({number})"


def _enum(enum: type[IntEnum | IntFlag]) -> Iterator[str]:
    prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.__name__).lstrip("_")
    yield f"enum {prefix.lower()} {{"
    for member in enum:
        yield f"    {prefix}_{member.name} = {member.value},"
    if isinstance(min(enum), IntEnum):
        yield f"    {prefix}S = {max(enum) + 1},"
    yield "};"
    yield ""


def _list(tag: str, prefix: str, names: Iterable[str]) -> Iterator[str]:
    yield f"enum {tag} {{"
    for name in names:
        yield f"    {prefix}_{name.upper()},"
    yield f"    {prefix}S,"
    yield "};"


def _block(block: Block) -> Iterator[str]:
    name = block.name.upper()
    yield f"// {block.title}: offsets within the block."
    yield f"#define {name}_ADDRESS {_c(block.address)}"
    yield f"#define {name}_WORDS {block.words}u"
    if block.space == "input":
        yield f"#define {name}_NUMBER {_c(block.number)}"
    yield f"enum {name.lower()}_offset {{"
    for field in block.fields:
        yield f"    {name}_{field.name.upper()} = {block.offsets[field.name]},"
    yield "};"
    if block.space == "holding":
        yield f"#define {name}_RULES \\"
        yield "    " + ", \\\n    ".join(_rule(block, field) for field in block.fields)
    yield ""


def _rule(block: Block, field: Field) -> str:
    signed = int(field.kind.startswith("i"))
    offset = block.offsets[field.name]
    return f"{{{offset}, {field.words}, {signed}, {field.minimum}LL, {field.maximum}LL, {field.default}LL}}"


def markdown() -> str:
    """The map as a page."""
    parts = [
        "# The sensor node's registers\n",
        "*Made by `make -C firmware docs` from `sdk/edgeagent_sdk/nodemap.py`, as the firmware and the "
        "agent are.*\n",
        "The node is a Modbus RTU slave (8N1, 115200 baud, address 1 unless set otherwise). Input "
        "registers are read by function 4, holding registers by 3 and written by 6 and 16; function 43/14 "
        "names vendor, product and revision. Values of more than one register have the high word first. "
        "A request must stay within one block; one for a whole block gives a snapshot of one moment.\n",
    ]
    parts += [_section(block) for block in BLOCKS]
    parts += ["## Codes\n", *(_codes(enum) for enum in _ENUMS)]
    return "\n".join(parts)


def _section(block: Block) -> str:
    holding = block.space == "holding"
    function = "holding, functions 3, 6, 16" if holding else "input, function 4"
    head = ["address", "name", "type"] + (["range", "default"] if holding else []) + ["meaning"]
    rows = []
    for field in block.fields:
        row = [f"`0x{block.at(field.name):04X}`", f"`{field.name}`", field.kind]
        if holding:
            row += [f"{field.minimum} … {field.maximum}", str(field.default)]
        rows.append([*row, field.meaning])
    title = f"{block.name} (`0x{block.address:04X}`, {block.words} registers, {function})"
    return f"## {title}\n\n{block.title}.\n\n{_table(head, rows)}"


def _codes(enum: type[IntEnum | IntFlag]) -> str:
    summary = (enum.__doc__ or "").splitlines()[0]
    rows = [[str(member.value), f"`{member.name}`"] for member in enum]
    return f"### {enum.__name__}\n\n{summary}\n\n" + _table(["value", "name"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_MAKERS = {"c": header, "markdown": markdown}


def main(arguments: list[str]) -> int:
    """Write the file if its content differs, so that nothing is built again for no reason."""
    if len(arguments) != 2 or arguments[0] not in _MAKERS:
        print(f"usage: registers.py {{{','.join(_MAKERS)}}} FILE", file=sys.stderr)
        return 2
    text, path = _MAKERS[arguments[0]](), Path(arguments[1])
    if not path.exists() or path.read_text("utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
