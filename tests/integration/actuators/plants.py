"""One actuator of every kind, with the device behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from pymodbus.client import ModbusTcpClient

from edgeagent_sdk.nodemap import Source
from tests.bmc import PASSWORD, USER, serve, tree
from tests.modbuspeers import LibmodbusServer, compile_server, libmodbus
from tests.modelnode import ModelNode
from tests.proxy import Proxy, tcp_proxy
from tests.serialline import serial_line
from tests.snmpagents import OUTLET_CONTROL, OUTLET_PROFILE, outlets, snmpsim

from .gpu import gpu_clock_limit, gpu_power_limit
from .kernel import clock_limit, device_clock_limit, power_limit
from .plant import Plant


@contextmanager
def node_fan(home: Path) -> Iterator[Plant]:
    """A fan of the sensor node, which keeps the lease itself."""
    model = ModelNode()
    model.values["config"]["safe_fan1"] = 10_000

    def meddle(value: float) -> None:
        model.forced["fan1"] = (Source.GUARD, round(value * 1e4))

    with serial_line(home / "tty", model.answer) as line:
        yield Plant(
            driver="node",
            options={"port": str(home / "tty"), "lease_s": 2},
            actuator="fan1",
            found=1.0,
            low=0.3,
            high=0.5,
            maximum=1.0,
            see=lambda: model.output("fan1")[1] / 1e4,
            meddle=meddle,
            relent=model.forced.clear,
            cut=line.unplug,
            mend=line.plug,
            keeps=False,
        )


_MAP = """
title = "a PDU"
source = "its manual"
[register]
"voltage/in" = { address = 0 }
[output]
"state/outlet1" = { address = 7, space = "coil", minimum = 0, maximum = 1 }
"power/limit" = { address = 20, unit = "kW", scale = 0.1, minimum = 0, maximum = 9e3 }
"""


@contextmanager
def modbus(home: Path) -> Iterator[tuple[LibmodbusServer, ModbusTcpClient, Proxy, dict[str, Any]]]:
    """A PDU on Modbus TCP, behind a network that can be cut, and another client of it."""
    (home / "pdu.toml").write_text(_MAP)
    with libmodbus(compile_server(home), "tcp") as server, tcp_proxy(server.port) as proxy:
        client = ModbusTcpClient("127.0.0.1", port=server.port)
        client.connect()  # type: ignore[no-untyped-call]
        options = {"map": str(home / "pdu.toml"), "host": "127.0.0.1", "tcp_port": proxy.port}
        yield server, client, proxy, options | {"timeout_ms": 150}
        client.close()  # type: ignore[no-untyped-call]


@contextmanager
def modbus_coil(home: Path) -> Iterator[Plant]:
    """An outlet that is a coil."""
    with modbus(home) as (server, client, proxy, options):
        server.set("c", 7, [1])
        yield Plant(
            driver="modbus",
            options=options,
            actuator="outlet1",
            found=1.0,
            low=0.0,
            high=1.0,
            maximum=1.0,
            see=lambda: float(client.read_coils(7, count=1).bits[0]),
            meddle=lambda value: server.set("c", 7, [round(value)]),
            cut=proxy.swallow.set,
            mend=lambda: mend(proxy),
        )


@contextmanager
def modbus_register(home: Path) -> Iterator[Plant]:
    """A limit that is a holding register."""
    with modbus(home) as (server, client, proxy, options):
        server.set("h", 20, [60])
        yield Plant(
            driver="modbus",
            options=options,
            actuator="limit",
            found=6000.0,
            low=2000.0,
            high=4000.0,
            maximum=9000.0,
            see=lambda: client.read_holding_registers(20, count=1).registers[0] * 100.0,
            meddle=lambda value: server.set("h", 20, [round(value / 100)]),
            cut=proxy.swallow.set,
            mend=lambda: mend(proxy),
        )


@contextmanager
def snmp_outlet(home: Path) -> Iterator[Plant]:
    """An outlet of a PDU on SNMP, which is a simulator."""
    from edgeagent.drivers.snmp import ber
    from edgeagent.drivers.snmp.message import Community
    from edgeagent.drivers.snmp.session import Session

    (home / "pdu.toml").write_text(OUTLET_PROFILE)
    recording = home / "plugs.snmprec"
    recording.write_text(outlets(1))
    plug = ber.oid(f"{OUTLET_CONTROL}.1")
    with snmpsim(home, [recording]) as service:
        other = Session(("127.0.0.1", service.port), Community("plugs"), timeout_s=5.0, retries=0, silent="")
        options = {"host": "127.0.0.1", "port": service.port, "community": "plugs"}
        yield Plant(
            driver="snmp",
            options=options | {"profile": str(home / "pdu.toml"), "timeout_ms": 1000, "retries": 0},
            actuator="plug-1",
            found=1.0,
            low=0.0,
            high=1.0,
            maximum=1.0,
            see=lambda: float(other.get([plug])[0] == 1),
            meddle=lambda value: other.set(plug, 1 if value else 2),
            cut=service.pause,
            mend=service.resume,
        )
        service.resume()
        other.close()


@contextmanager
def redfish_limit(home: Path) -> Iterator[Plant]:
    """The power limit of a BMC."""
    with serve(tree("new")) as bmc, tcp_proxy(int(bmc.url.rpartition(":")[2])) as proxy:
        limit = bmc.resources["/redfish/v1/Chassis/1U/EnvironmentMetrics"]["PowerLimitWatts"]
        url = f"http://127.0.0.1:{proxy.port}"
        yield Plant(
            driver="redfish",
            options={"url": url, "username": USER, "password": PASSWORD, "timeout_s": 0.5},
            actuator="limit",
            found=500.0,
            low=300.0,
            high=600.0,
            maximum=800.0,
            see=lambda: float(limit["SetPoint"]),
            meddle=lambda value: limit.update(SetPoint=round(value)),
            cut=proxy.swallow.set,
            mend=lambda: mend(proxy),
        )


PLANTS: dict[str, Callable[[Path], AbstractContextManager[Plant]]] = {
    "cpufreq": clock_limit,
    "powercap": power_limit,
    "devfreq": device_clock_limit,
    "nvml-power": gpu_power_limit,
    "nvml-clock": gpu_clock_limit,
    "node": node_fan,
    "modbus-coil": modbus_coil,
    "modbus-register": modbus_register,
    "snmp": snmp_outlet,
    "redfish": redfish_limit,
}

#: Those that share one home: the machine that the agent runs on.
LOCAL = {clock_limit, power_limit, device_clock_limit, gpu_power_limit, gpu_clock_limit}


def mend(proxy: Proxy) -> None:
    """Have a network pass again what it swallowed; what hung in it is lost."""
    proxy.swallow.clear()
    proxy.cut()
