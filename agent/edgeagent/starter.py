"""The text of a first agent.toml: what was found on this machine, and every other key as a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgeagent.config import AgentKeys, DeviceKeys
from edgeagent.survey import Finding, Survey
from edgeagent_sdk.config import explain, toml_value

_HEAD = """\
# The edgeagent of this machine. Lines that begin with "# <key> =" show a default.
# Every key with its type and its bounds: `edgeagent check --explain`.
# After a change: `edgeagent check`, then send the agent SIGHUP (systemctl reload edgeagent).
"""

_DEVICES = """\

# One [[device]] for each thing that is read, in a thread of its own. Keys that each of them may have:
"""


def starter(survey: Survey, values: Mapping[str, Any]) -> str:
    """A commented agent.toml.

    Args:
        survey: its devices become entries; what cannot be read, or acts on the machine, becomes a comment
            with the remedy.
        values: what is set, by dotted key, e.g. ``{"site": "lab", "broker.url": "mqtt://…"}``.
    """
    parts = [_HEAD, *_keys(values), _DEVICES, *_device_keys()]
    parts += [_device(finding) for finding in survey.findings]
    parts += [f"\n# driver {driver}: {_line(reason)}\n" for driver, reason in survey.silent]
    if not survey.findings:
        parts.append("\n# No driver found a device here.\n")
    return "".join(parts)


def _keys(values: Mapping[str, Any]) -> Iterator[str]:
    table = ""
    for row in explain(AgentKeys):
        prefix, _, key = row["key"].rpartition(".")
        if prefix != table:
            table = prefix
            yield f"\n[{table}]\n"
        entry = (
            f"{key} = {toml_value(values[row['key']])}"
            if row["key"] in values
            else f"# {key} = {row['default']}"
        )
        yield f"{_comment(row['meaning'])}{entry}\n"


def _device_keys() -> Iterator[str]:
    for row in explain(DeviceKeys):
        if row["default"] != "(required)":
            yield _comment(f"{row['key']} = {row['default']}: {row['meaning']}", "#   ")


def _device(finding: Finding) -> str:
    found = finding.found
    keys = {"name": finding.device, "driver": finding.driver, **found.options}
    entry = "".join(f"{key} = {toml_value(value)}\n" for key, value in keys.items())
    text = f"[[device]]\n{entry}"
    head = _comment(found.summary) if found.summary else ""
    if not found.missing:
        return f"\n{head}{text}"
    remedy = f"; {found.remedy}" if found.remedy else ""
    why = _comment(f"Only a comment: {found.missing}{remedy}. Then remove the # below.")
    return f"\n{head}{why}{textwrap.indent(text, '# ')}"


def _comment(text: str, indent: str = "# ") -> str:
    lines = textwrap.wrap(
        _line(text), 108, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return "".join(f"{line}\n" for line in lines)


def _line(text: str) -> str:
    """`text` without what would end a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def names(findings: Iterable[Finding]) -> str:
    """Devices in a sentence."""
    return ", ".join(finding.device for finding in findings)
