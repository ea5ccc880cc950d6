"""The sensor node's register map for this driver, made from `edgeagent_sdk.nodemap`: not written twice.

The `node` driver does more: it sets the outputs under leases, follows the node's events and its clock.
"""

from __future__ import annotations

from edgeagent.drivers.modbus.mapkeys import MapFile, Register, SerialNumber
from edgeagent_sdk.nodemap import CHANNELS, IDENTITY, NO_LIMIT_W, NO_VALUE, OUTPUTS, TELEMETRY

NODE = "sensor-node"

_TYPES = {"u16": "u16", "i16": "i16", "u32": "u32", "i32": "i32", "u64": "u64"}


def node_table() -> MapFile:
    """Everything that `telemetry` tells of channels and outputs, by one read."""
    registers = {
        f"{c.quantity}/{c.name}": _register(f"{c.quantity}_{c.name}", c.scale, c.meaning) for c in CHANNELS
    }
    registers["energy/in"] = _register("energy_in", 1e-3, TELEMETRY.field("energy_in").meaning)
    registers |= {
        f"{o.quantity}/{o.name}": _register(f"output_{o.name}", o.scale, o.meaning) for o in OUTPUTS
    }
    registers["power/power_limit"].unavailable = [NO_LIMIT_W]
    return MapFile(
        title="edgeagent sensor node",
        source="edgeagent_sdk.nodemap",
        space="input",
        gap_max=TELEMETRY.words,
        unavailable={"i32": [NO_VALUE & 0xFFFF_FFFF]},
        serial_number=SerialNumber(address=IDENTITY.at("serial_number"), type="u32", space="input"),
        register=registers,
    )


def _register(field: str, scale: float, meaning: str) -> Register:
    kind = _TYPES[TELEMETRY.field(field).kind]
    return Register(address=TELEMETRY.at(field), type=kind, scale=scale, description=meaning)  # type: ignore[arg-type]
