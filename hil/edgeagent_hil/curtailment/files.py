"""The files of a run: what each program is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from edgeagent_hil.curtailment.loads import class_of
from edgeagent_hil.curtailment.plant import Plant
from edgeagent_sdk.config import toml_value

SITE: Final = "twin"

#: The node that reads the meter in front of all servers.
METER: Final = "feed"

#: A rack's feed is oversubscribed: it carries so much of what its servers draw at full load.
_RACK_SHARE: Final = 0.95


def broker_conf(port: int) -> str:
    """Of Mosquitto: nothing is kept over a restart, so what comes back has to come from the agents."""
    return (
        f"listener {port} 127.0.0.1\n"
        "allow_anonymous true\n"
        "persistence false\n"
        "max_inflight_messages 1000\n"
        "max_queued_messages 0\n"
    )


def server_toml(plant: Plant, name: str, home: Path, root: Path, broker_url: str) -> str:
    """Of a server's agent: its packages' power, and where their limits go when nobody renews them."""
    devices = [
        {
            "name": package,
            "driver": "powercap",
            "zone": f"intel-rapl:{number}",
            "fallback": {actuator(package): plant.least_w},
        }
        for number, package in enumerate(plant.packages)
    ]
    return _agent_toml(name, home, root, broker_url, *devices)


def meter_toml(home: Path, root: Path, broker_url: str) -> str:
    """Of the agent that reads the meter."""
    return _agent_toml(METER, home, root, broker_url, {"name": METER, "driver": "hwmon", "chip": METER})


def site_toml(plant: Plant, contract_w: float) -> str:
    """The power tree: the contract, racks below it, servers in them, and the packages of each."""
    return "".join(
        [
            f"site = {toml_value(SITE)}\n",
            _table("domain", name="contract", limit_kw=contract_w / 1e3, meter=f"{METER}/{METER}/total"),
            *_racks(plant),
            *(text for number in range(len(plant.names)) for text in _server(plant, number)),
        ]
    )


def actuator(package: str) -> str:
    """What the agent calls a package's power limit."""
    return f"{package}-long_term"


def _racks(plant: Plant) -> Iterator[str]:
    racks = [plant.rack_of(number) for number in range(len(plant.names))]
    for rack in dict.fromkeys(racks):
        peak_w = sum(float(w) for w, of in zip(plant.peak_w, racks, strict=True) if of == rack)
        limit_kw = round(_RACK_SHARE * peak_w) / 1e3
        yield _table("domain", name=f"rack-{rack + 1}", parent="contract", limit_kw=limit_kw)


def _server(plant: Plant, number: int) -> Iterator[str]:
    work = class_of(number)
    yield _table(
        "server",
        name=plant.names[number],
        domain=f"rack-{plant.rack_of(number) + 1}",
        work=work.profile,
        priority=work.priority,
        other_w=round(float(plant.other_w[number]), 1),
    )
    for package in plant.packages:
        yield _table(
            "server.component",
            name=package,
            cap=f"{package}/{actuator(package)}",
            power=f"{package}/{package}",
            min_w=plant.least_w,
            max_w=plant.most_w,
            idle_w=plant.idle_w,
            fallback_w=plant.least_w,
        )


def _agent_toml(name: str, home: Path, root: Path, broker_url: str, *devices: Mapping[str, Any]) -> str:
    top = (
        f"site = {toml_value(SITE)}\nnode = {toml_value(name)}\n"
        f"state_dir = {toml_value(str(home))}\nhost_root = {toml_value(str(root))}\n"
        f"[broker]\nurl = {toml_value(broker_url)}\n"
        "[agent]\ninterval_s = 0.0\n"
        "[hints]\nenabled = false\n"
    )
    return top + "".join(_table("device", **device) for device in devices)


def _table(name: str, /, **keys: Any) -> str:
    lines = [f"{key} = {toml_value(value)}\n" for key, value in keys.items()]
    return f"\n[[{name}]]\n" + "".join(lines)
