"""The agent's configuration: every key, its bounds and its documentation, in one place."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edgeagent.guard.settings import GuardConfig, mistakes
from edgeagent_sdk.batch import PAYLOAD_MAX_BYTES
from edgeagent_sdk.config import Document, KeyPath, explain, read, toml_value
from edgeagent_sdk.driver import Host, Options, Sensor
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.names import check_name, slug
from edgeagent_sdk.plugins import DRIVERS, installed, load, nearest
from edgeagent_sdk.quantities import QUANTITIES
from edgeagent_sdk.topics import PREFIX


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


class OutboxConfig(msgspec.Struct, kw_only=True, frozen=True):
    """The ``[outbox]`` table: how readings are kept and sent."""

    max_bytes: Annotated[
        int,
        _key(
            "byte budget on the disk; over it, the oldest data is thinned, then dropped", ge=PAYLOAD_MAX_BYTES
        ),
    ] = 256 << 20
    batch_s: Annotated[float, _key("how often a batch is closed and sent", ge=0.05, le=3600)] = 1.0
    delivery: Annotated[
        Literal["stored", "broker"],
        _key("who must have a batch before it leaves: the store behind an aggregator, or the broker alone"),
    ] = "stored"
    ack_timeout_s: Annotated[
        float, _key("an unacknowledged batch is sent again after this, then ever more rarely", ge=1, le=3600)
    ] = 10.0
    window: Annotated[int, _key("batches that may be on their way at once", ge=1, le=1000)] = 64


class SelfConfig(msgspec.Struct, kw_only=True, frozen=True):
    """The ``[agent]`` table: the agent as a device of its own."""

    interval_s: Annotated[
        float,
        _key("how often the agent reports on itself, as the device `agent`; 0 for never", ge=0, le=3600),
    ] = 10.0


class HintsConfig(msgspec.Struct, kw_only=True, frozen=True):
    """The ``[hints]`` table: what workloads tell of their deadlines and their work."""

    enabled: Annotated[bool, _key("take hints in")] = True
    socket: Annotated[
        str,
        _key("where; by default `hints` in systemd's RuntimeDirectory=, without one in state_dir"),
    ] = ""
    mode: Annotated[
        str,
        _key("who may write to it: as chmod takes it", pattern="^0?[0-7]{3}$", title="three octal digits"),
    ] = "0666"


class DeviceKeys(msgspec.Struct, kw_only=True, frozen=True):
    """The keys that every ``[[device]]`` has; its driver's own stand beside them."""

    name: Annotated[str, _key("the device's name on the wire")]
    driver: Annotated[str, _key("which driver reads it; `edgeagent probe` lists them")]
    interval_s: Annotated[float, _key("from one reading to the next", ge=0.001, le=86400)] = 1.0
    start: Annotated[
        Literal["aligned", "jittered"],
        _key(
            "read on the wall clock's multiples of interval_s, or somewhere between them to spread the load"
        ),
    ] = "aligned"
    stale_after_s: Annotated[
        float, _key("silence after which the device is reported; 0 for 3 × interval_s", ge=0)
    ] = 0.0
    heartbeat_s: Annotated[float, _key("with a deadband: an unchanged value is sent this often", gt=0)] = 60.0
    deadband: Annotated[
        dict[str, float], _key("smallest change worth sending, by quantity or quantity/channel, in its unit")
    ] = {}
    calibration: Annotated[
        dict[str, list[tuple[float, float]]],
        _key("measured → true points, by quantity or quantity/channel; linear between and beyond them"),
    ] = {}
    fallback: Annotated[
        dict[str, float],
        _key("what actuators go to when a lease ends by itself, in their unit; else what they were found at"),
    ] = {}
    on_revert: Annotated[
        Literal["reapply", "yield"],
        _key("an actuator that somebody else sets under a lease: set it again, or end the lease"),
    ] = "reapply"


class DeviceConfig(DeviceKeys, kw_only=True, frozen=True):
    """A device as the agent runs it: its keys, and its driver with the driver's own options."""

    sensor: Callable[[Host, Any], Sensor]
    options: Options


class AgentKeys(msgspec.Struct, kw_only=True, frozen=True):
    """The top level of agent.toml, without the devices."""

    site: Annotated[str, _key("which site the node belongs to")]
    node: Annotated[str, _key("the node's name, unique within its site; by default the host's")] = ""
    prefix: Annotated[
        str,
        _key("first level of every topic", pattern=r"^[^/+#\s]+$", title="a word without / + # and blanks"),
    ] = PREFIX
    state_dir: Annotated[str, _key("directory for the outbox and the installation's id")] = (
        "/var/lib/edgeagent"
    )
    host_root: Annotated[str, _key("in front of every path a driver reads; /host in a container")] = "/"
    broker: Broker = Broker()
    outbox: OutboxConfig = OutboxConfig()
    agent: SelfConfig = SelfConfig()
    hints: HintsConfig = HintsConfig()


class AgentConfig(AgentKeys, kw_only=True, frozen=True):
    """All of agent.toml."""

    devices: list[DeviceConfig] = []
    guards: list[GuardConfig] = []


def load_config(path: Path) -> AgentConfig:
    """Read agent.toml.

    Raises:
        ConfigError: with every problem in the file.
    """
    document = read(path)
    table = dict(document.data)
    entries, guards = table.pop("device", []), table.pop("guard", [])
    _check_names(document, table, ("site", "node"))
    keys = document.bind(table, AgentKeys, also=["device", "guard"])
    if keys:
        _check_broker(document, keys.broker)
    devices = list(_devices(document, entries))
    intervals_s = {device.name: device.interval_s for device in devices}
    guarded = list(_guards(document, guards, intervals_s if len(devices) == len(entries) else None))
    document.finish()
    assert keys is not None
    fields = msgspec.structs.asdict(keys) | {"node": keys.node or _host_name()}
    return AgentConfig(**fields, devices=devices, guards=guarded)


def explain_config() -> Iterator[dict[str, str]]:
    """Every key of agent.toml: its type, default and meaning; at the end those of each driver."""
    yield from explain(AgentKeys)
    yield from explain(GuardConfig, "guard[].")
    yield from explain(DeviceKeys, "device[].")
    for name in installed(DRIVERS):
        try:
            options = load(DRIVERS, name).Options
        except EdgeError:
            continue  # its package is not complete here; `probe` says so
        for row in explain(options, "device[]."):
            yield row | {"meaning": f"{row['meaning']} (driver {name})"}


def _host_name() -> str:
    return slug(platform.node(), "node")


def _check_names(
    document: Document, table: Mapping[str, Any], keys: Iterable[str], path: KeyPath = ()
) -> None:
    for key in keys:
        name = table.get(key)
        if isinstance(name, str) and (name or key != "node"):  # no node name stands for the host's
            try:
                check_name(name, str(path[0]) if path else key)
            except EdgeError as error:
                document.complain((*path, key), str(error))


def _check_broker(document: Document, broker: Broker) -> None:
    try:
        broker.address()
    except EdgeError as error:
        document.complain(("broker", "url"), str(error).removeprefix("broker.url "))


def _devices(document: Document, entries: Any) -> Iterator[DeviceConfig]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        document.complain(("device",), "must be tables [[device]], one for each device")
        return
    seen: set[str] = {"agent"}
    for i, entry in enumerate(entries):
        device = _device(document, entry, ("device", i))
        if device is None:
            continue
        if device.name in seen:
            why = "is the agent's own" if device.name == "agent" else "is taken by an earlier device"
            document.complain(
                ("device", i, "name"), f"{device.name!r} {why}; give each device a name of its own"
            )
        seen.add(device.name)
        yield device


def _device(document: Document, entry: dict[str, Any], path: KeyPath) -> DeviceConfig | None:
    before = len(document.problems)
    sensor = _sensor(document, entry, path)
    _check_names(document, entry, ("name",), path)
    common = {k: v for k, v in entry.items() if k in _names(DeviceKeys) and k != "driver"}
    keys = document.bind({"driver": "", **common}, DeviceKeys, path)
    if keys:
        _check_rules(document, keys, path)
    if sensor is None:
        return None
    # Whatever is not one of the common keys is for the driver to know.
    own = {k: v for k, v in entry.items() if k not in _names(DeviceKeys)}
    options = document.bind(own, sensor.Options, path, also=_names(DeviceKeys))
    if keys is None or options is None or len(document.problems) > before:
        return None
    interval_s = entry.get("interval_s", getattr(sensor, "interval_s", 0.0)) or keys.interval_s
    keys = msgspec.structs.replace(keys, driver=entry["driver"], interval_s=interval_s)
    return DeviceConfig(**msgspec.structs.asdict(keys), sensor=sensor, options=options)


def _guards(document: Document, entries: Any, devices: Mapping[str, float] | None) -> Iterator[GuardConfig]:
    """`devices` are how often each is read; None if that is not known, for what is wrong with them."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        document.complain(("guard",), "must be tables [[guard]], one for each guard")
        return
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        path = ("guard", i)
        _check_names(document, entry, ("name",), path)
        guard = document.bind(entry, GuardConfig, path)
        if guard is None:
            continue
        if guard.name in seen:
            document.complain((*path, "name"), f"{guard.name!r} is taken by an earlier guard")
        seen.add(guard.name)
        for mistake in mistakes(guard, devices):
            document.complain((*path, *mistake.key), mistake.why)
        yield guard


def _sensor(document: Document, entry: dict[str, Any], path: KeyPath) -> type[Sensor] | None:
    if not isinstance(entry.get("driver"), str):
        wrong = f"must be text, not {toml_value(entry['driver'])}" if "driver" in entry else "is missing"
        document.complain((*path, "driver"), wrong)
        return None
    try:
        sensor: type[Sensor] = load(DRIVERS, entry["driver"])
    except EdgeError as error:
        document.complain((*path, "driver"), str(error))
        return None
    return sensor


def _check_rules(document: Document, keys: DeviceKeys, path: KeyPath) -> None:
    for table in ("deadband", "calibration"):
        for selector in getattr(keys, table):
            quantity = selector.split("/")[0]
            if quantity not in QUANTITIES:
                hint = nearest(quantity, list(QUANTITIES))
                document.complain((*path, table, selector), f"unknown quantity; {hint}")
    for selector, band in keys.deadband.items():
        if not 0 < band < math.inf:
            document.complain((*path, "deadband", selector), f"must be a number > 0, not {band}")
    for actuator, value in keys.fallback.items():
        if not math.isfinite(value):
            document.complain((*path, "fallback", actuator), f"must be a finite number, not {value}")
    for selector, points in keys.calibration.items():
        measured = [point[0] for point in points]
        finite = all(math.isfinite(number) for point in points for number in point)
        if len(points) < 2 or not finite or any(b <= a for a, b in pairwise(measured)):
            document.complain(
                (*path, "calibration", selector),
                "must be two or more [measured, true] points, with rising measured values",
            )


def _names(kind: type[msgspec.Struct]) -> set[str]:
    return set(kind.__struct_fields__)
