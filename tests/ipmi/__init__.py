"""A BMC on a loopback port that speaks RMCP+: OpenIPMI's `ipmi_sim`, with DCMI from a module of ours."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.services import Service, free_port, need

USER, PASSWORD = "edge", "sesame"

_MC = "0x20"
_SCAN = "000000000000000 " * 4


class Gauge(NamedTuple):
    """One sensor. Its codes: IPMI 2.0, tables 42-3 and 43-15; value = multiplier * raw * 10**exponent."""

    name: str
    kind: int
    unit: int
    multiplier: int
    exponent: int
    raw: int | None


SENSORS = (
    Gauge("Inlet Temp", 1, 1, 1, 0, 30),
    Gauge("Fan 1", 4, 18, 100, 0, 42),
    Gauge("P12V", 2, 4, 6, -2, 201),
    Gauge("PSU1 Current", 3, 5, 1, -1, 18),
    Gauge("PSU1 Power In", 0x0B, 6, 4, 0, 54),
    Gauge("Temp", 1, 1, 1, 0, 41),
    Gauge("Temp", 1, 1, 1, 0, 43),
    Gauge("CPU2 Temp", 1, 1, 1, 0, None),
)


class Bmc(NamedTuple):
    """One that serves. `directory` holds what its machine takes and its limit: see dcmi.c."""

    service: Service
    port: int
    directory: Path

    def measure(self, sensor: int, raw: int) -> None:
        """What a sensor, counted from 0, shows from now on."""
        (self.directory / f"sensor{sensor}").write_text(f"{raw}\n")

    def take(self, power_w: int | None) -> None:
        """What the machine takes from now on; None turns its measurement off."""
        (self.directory / "power_w").write_text("" if power_w is None else f"{power_w}\n")


def build_module(directory: Path) -> Path:
    """DCMI for `ipmi_sim`."""
    source, module = Path(__file__).parent / "dcmi.c", directory / "dcmi.so"
    need("ipmi_sim", "openipmi")
    command = [need("gcc", "gcc"), "-std=c17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(module), str(source)], check=True)
    return module


@contextmanager
def bmc(directory: Path, module: Path, *, guid: str = "01", port: int = 0) -> Iterator[Bmc]:
    """A `Bmc`, ended at the end. `guid`: the last two digits of its machine's."""
    port = port or free_port()
    home = directory / f"ipmi-{guid}"
    (home / "state").mkdir(parents=True)
    made = Bmc(Service(_command(home, module, guid, port), home, ready=lambda: _answers(port)), port, home)
    for number, gauge in enumerate(SENSORS):
        made.measure(number, gauge.raw or 0)
    made.take(216)
    try:
        made.service.start()
        yield made
    finally:
        made.service.stop()


def _command(home: Path, module: Path, guid: str, port: int) -> list[str]:
    auths = "\n".join(f"    allowed_auths_{level} md5" for level in ("callback", "user", "operator", "admin"))
    (home / "lan.conf").write_text(
        f'name "bmc"\nset_working_mc {_MC}\n'
        f"  startlan 1\n    addr 127.0.0.1 {port}\n    priv_limit admin\n{auths}\n"
        f"    guid a123456789abcdefa123456789abcd{guid}\n  endlan\n"
        f'  user 1 true "" "" user 10 md5\n'
        f'  user 2 true "{USER}" "{PASSWORD}" admin 10 md5\n'
        f'loadlib "{module}" "{home}"\n'
    )
    lines = [
        f"mc_setbmc {_MC}",
        f"mc_add {_MC} 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02",
        *(line for number, gauge in enumerate(SENSORS) for line in _sensor(home, number, gauge)),
        f"mc_enable {_MC}",
    ]
    (home / "commands").write_text("\n".join(lines) + "\n")
    files = ["-c", f"{home}/lan.conf", "-f", f"{home}/commands", "-s", f"{home}/state"]
    return [need("ipmi_sim", "openipmi"), *files, "-n"]


def _sensor(home: Path, number: int, gauge: Gauge) -> Sequence[str]:
    scanning = "no-scanning" if gauge.raw is None else "scanning"
    return (
        f"main_sdr_add {_MC} " + " ".join(f"{byte:#04x}" for byte in _record(number + 1, gauge)),
        f'sensor_add {_MC} 0 {number + 1} {gauge.kind} 1 poll 50 file "{home}/sensor{number}"',
        f"sensor_set_event_support {_MC} 0 {number + 1} enable {scanning} per-state {_SCAN}",
    )


def _record(number: int, gauge: Gauge) -> bytes:
    """A full sensor record (IPMI 2.0, table 43-1)."""
    name = gauge.name.encode("ascii")
    owner = bytes([0x20, 0, number])
    entity = bytes([7, 1, 0x7F, 0x68, gauge.kind, 1]) + bytes(6)
    units = bytes([0, gauge.unit, 0])
    factors = bytes([0, gauge.multiplier, 0, 0, 0, 0, (gauge.exponent & 0xF) << 4])
    limits = bytes([0, 0, 0, 0, 0xFF, 0]) + bytes(11)
    body = owner + entity + units + factors + limits + bytes([0xC0 | len(name)]) + name
    return bytes([number, 0, 0x51, 1, len(body)]) + body


def _answers(port: int) -> bool:
    """Whether somebody answers RMCP's ping (ASF 2.0, 3.2.4.3) on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        probe.connect(("127.0.0.1", port))
        try:
            probe.send(bytes.fromhex("0600ff06000011be80000000"))
            return bool(probe.recv(100))
        except OSError:
            return False
