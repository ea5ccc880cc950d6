"""A PDU of 48 outlets by SNMP: what a second of its readings costs, beside the tools that people use."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edgeagent.drivers.snmp import SnmpSensor
from edgeagent_sdk.driver import Host
from tests.bench.machine import Meter
from tests.bench.table import Bench, Figure, at_most, row
from tests.responder import responder
from tests.services import Service, mosquitto, need, spawn
from tests.snmpagents import many_outlets, snmpsim
from tests.unit.drivers.snmp.recording import DEVICES

_OUTLETS = 48

#: Of each outlet: current, voltage, power, energy, state.
_VALUES = 5 * _OUTLETS

_USER, _AUTH, _SECRET = "monitor", "authpass1", "privpass1"
_V3 = {"version": "3", "user": _USER, "auth_password": _AUTH, "privacy_password": _SECRET}
_V3_SIMULATED = [f"--v3-user={_USER}", f"--v3-auth-key={_AUTH}", "--v3-auth-proto=SHA"]
_V3_SIMULATED += [f"--v3-priv-key={_SECRET}", "--v3-priv-proto=AES"]

_PYSNMP, _NET_SNMP = "pysnmp (bulk_cmd)", "net-snmp (snmpbulkwalk)"

_CONFIG = """
site = "bench"
node = "n1"
state_dir = "{home}/state"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
[agent]
interval_s = 0
[[device]]
name = "pdu"
driver = "snmp"
interval_s = {interval_s}
{options}
"""


class _Kind(NamedTuple):
    """A PDU: its recording, where its outlets' numbers stand under which names, and four of its columns."""

    name: str
    place: int
    under: tuple[str, ...]
    columns: tuple[str, ...]


_SENTRY = "1.3.6.1.4.1.1718.4.1.8"
_RARITAN = "1.3.6.1.4.1.13742.6"
_KINDS = (
    _Kind("sentry4", 15, (_SENTRY,), tuple(f"{_SENTRY}.3.1.{c}" for c in (7, 3, 6, 14))),
    _Kind("raritan-pdu2", 14, tuple(f"{_RARITAN}.{t}" for t in ("3.5.3", "3.5.4", "5.4.3", "4.1.2")), ()),
)


@row
def snmp(bench: Bench) -> Iterator[Figure]:
    """48 outlets, each with current, voltage, power, energy and state, once a second, by v2c and by v3."""
    recordings = [
        many_outlets(
            DEVICES / f"{kind.name}.snmprec",
            bench.directory / f"{kind.name}.snmprec",
            kind.place,
            kind.under,
            _OUTLETS,
        )
        for kind in _KINDS
    ]
    passes = max(5, round(15 * bench.seconds))
    with snmpsim(bench.directory, recordings, user=_V3_SIMULATED) as simulator:
        sentry = _KINDS[0]
        peers = {
            _PYSNMP: _pysnmp(simulator.port, sentry, passes),
            _NET_SNMP: _net_snmp(simulator.port, sentry, passes),
        }
        for kind in _KINDS:
            for version, keys in (("v2c", {"community": kind.name}), ("v3", {**_V3, "context": kind.name})):
                used, requests = _driver(simulator.port, keys, passes)
                name = f"snmp {version}, {kind.name}, {_OUTLETS} outlets at 1 Hz"
                yield Figure(
                    f"{name}: CPU of the driver",
                    used,
                    "% of a core",
                    at_most(2),
                    peers if kind is sentry and version == "v2c" else {},
                    f"{_VALUES} values; the peers take the four columns of numbers only, without the states",
                )
                yield Figure(f"{name}: requests of a pass", requests, "requests", at_most(8))
        yield from _whole_agent(bench, simulator)


def _driver(port: int, keys: dict[str, Any], passes: int) -> tuple[float, float]:
    """CPU time of a second in %, and requests of a pass; its outlets only."""
    options = {"host": "127.0.0.1", "port": port, "timeout_ms": 10_000, "tables": ["outlet"]} | keys
    sensor = SnmpSensor(Host(), msgspec.convert(options, SnmpSensor.Options))
    if len(sensor.open()) != _VALUES:
        raise RuntimeError("the driver lost values; not comparable")
    session = sensor._session
    assert session is not None
    sensor.read()
    before = session.requests
    used = _cpu(lambda: sensor.read(), passes)
    requests = (session.requests - before) / passes
    sensor.close()
    return used, requests


def _cpu(read: Callable[[], object], passes: int) -> float:
    begun_s = time.process_time()
    for _ in range(passes):
        read()
    return 100 * (time.process_time() - begun_s) / passes


def _pysnmp(port: int, kind: _Kind, passes: int) -> float:
    """pysnmp reading the four columns side by side, twelve rows a request."""
    from pysnmp.hlapi.v3arch.asyncio import (
        CommunityData,
        ContextData,
        ObjectIdentity,
        ObjectType,
        SnmpEngine,
        UdpTransportTarget,
        bulk_cmd,
    )

    rows = 12
    loop = asyncio.new_event_loop()
    engine, community = SnmpEngine(), CommunityData(kind.name, mpModel=1)
    target = loop.run_until_complete(UdpTransportTarget.create(("127.0.0.1", port), timeout=10))

    async def read() -> None:
        at: Sequence[str] = kind.columns
        for _ in range(_OUTLETS // rows):
            names = [ObjectType(ObjectIdentity(name)) for name in at]
            error, _, _, found = await bulk_cmd(
                engine, community, target, ContextData(), 0, rows, *names, lookupMib=False
            )
            if error or len(found) != rows * len(kind.columns):
                raise RuntimeError(f"pysnmp lost values ({error}); not comparable")
            at = [str(name) for name, _ in found[-len(kind.columns) :]]

    loop.run_until_complete(read())
    used = _cpu(lambda: loop.run_until_complete(read()), passes)
    engine.close_dispatcher()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    return used


def _net_snmp(port: int, kind: _Kind, passes: int) -> float:
    """net-snmp's own tool, one call a column, as scripts and Telegraf's exec use it."""
    program = need("snmpbulkwalk", "snmp")
    options = ["-v2c", "-c", kind.name, "-t", "10", "-m", "", "-On", f"-Cr{_OUTLETS}", f"127.0.0.1:{port}"]
    before_s = _children_s()
    for _ in range(passes):
        for column in kind.columns:
            lines = subprocess.run([program, *options, column], check=True, capture_output=True).stdout
            if lines.count(b"\n") != _OUTLETS:
                raise RuntimeError("snmpbulkwalk lost values; not comparable")
    return 100 * (_children_s() - before_s) / passes


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _whole_agent(bench: Bench, simulator: Service) -> Iterator[Figure]:
    """The agent with that PDU as its only device, its readings kept on the disk and sent."""
    used = {}
    with mosquitto(bench.directory) as broker, responder(broker.url, decode_lines=False) as taken:
        for interval_s in (1.0, 60.0):
            home = bench.directory / f"every-{interval_s:g}-s"
            home.mkdir()
            with _agent(home, simulator, broker, interval_s) as service:
                time.sleep(4.0)
                before = sum(header.readings for header in taken.headers)
                meter = Meter(service.pid)
                time.sleep(30 * bench.seconds)
                used[interval_s] = 100 * meter.read().cores
                delivered = sum(header.readings for header in taken.headers) - before
            if delivered < 0.9 * _VALUES * int(30 * bench.seconds / interval_s):
                raise RuntimeError(f"the agent delivered {delivered} readings only; not comparable")
    yield Figure(
        f"agent, {_OUTLETS} outlets at 1 Hz by SNMP v2c: CPU",
        used[1.0],
        "% of a core",
        at_most(2),
        note=f"the whole agent, readings kept and sent; {used[60.0]:.2f} % with one pass a minute",
    )


@contextmanager
def _agent(home: Path, simulator: Service, broker: Service, interval_s: float) -> Iterator[Service]:
    options = {"host": "127.0.0.1", "port": simulator.port, "timeout_ms": 10_000, "community": "sentry4"}
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in options.items()]
    lines.append('tables = ["outlet"]')
    config = home / "agent.toml"
    config.write_text(
        _CONFIG.format(home=home, url=broker.url, interval_s=interval_s, options="\n".join(lines))
    )
    with spawn([sys.executable, "-m", "edgeagent.daemon", "--config", str(config)], home, name="agent") as it:
        yield it
