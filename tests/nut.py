"""A UPS behind Network UPS Tools on loopback: Debian's `upsd` and its driver `dummy-ups`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.services import Missing, Service, free_port, wait_until

#: The real ones: what stands in /usr/sbin asks a configuration of the whole machine first.
_PROGRAMS = Path("/lib/nut")

USER, PASSWORD = "edge", "sesame"

VARIABLES = {
    "device.mfr": "EATON",
    "device.model": "5PX 1500",
    "device.serial": "G123E45678",
    "ups.status": "OL CHRG",
    "ups.load": "37",
    "ups.realpower": "520",
    "ups.power": "560",
    "ups.realpower.nominal": "1350",
    "ups.temperature": "31.5",
    "battery.charge": "95",
    "battery.charge.low": "20",
    "battery.runtime": "1800",
    "battery.voltage": "27.1",
    "input.voltage": "231.4",
    "input.frequency": "50.0",
    "input.L1-N.voltage": "230.9",
    "output.voltage": "230.2",
    "output.current": "2.4",
    "outlet.1.realpower": "310",
    "ups.test.result": 'said "passed" \\ done',
}


class Ups(NamedTuple):
    """One that serves: upsd, and the driver behind it, which reads its variables from a file."""

    upsd: Service
    driver: Service
    file: Path
    port: int

    def tell(self, changes: Mapping[str, str | None]) -> None:
        """Change variables; None takes one away.

        The driver looks about every second whether the file's time, in whole seconds, is another: each
        change gets a later one, however fast they come.
        """
        told = {**VARIABLES, **changes}
        lines = (f"{name}: {value}" for name, value in told.items() if value is not None)
        draft = self.file.with_suffix(".new")
        draft.write_text("\n".join(lines) + "\n")
        later_s = int(self.file.stat().st_mtime) + 1 if self.file.exists() else 0
        changed_s = max(int(time.time()), later_s)
        os.utime(draft, (changed_s, changed_s))
        draft.replace(self.file)


@contextmanager
def ups(directory: Path, *names: str, tls: bool = False, max_age_s: int = 20) -> Iterator[Ups]:
    """An upsd with UPSes called `names`, of which the first can be changed.

    Args:
        max_age_s: data that a driver told longer ago is stale; a busy machine's drivers are late by seconds.
    """
    names = names or ("rack",)
    home, port = directory / "nut", free_port()
    (home / "run").mkdir(parents=True)
    file = home / "ups.dev"
    _configure(home, port, names, tls=tls, max_age_s=max_age_s)
    environment = {"NUT_CONFPATH": str(home), "NUT_STATEPATH": str(home / "run"), "NUT_ALTPIDPATH": str(home)}
    drivers = [
        Service(
            [_program("dummy-ups"), "-a", name, "-D", "-u", "root"],
            home,
            name=f"driver-{name}",
            ready=(home / "run" / f"dummy-ups-{name}").is_socket,
            environment=environment,
        )
        for name in names
    ]
    upsd = Service(
        [_program("upsd"), "-D", "-u", "root", "-P", str(home / "upsd.pid")],
        home,
        port=port,
        environment=environment,
    )
    made = Ups(upsd, drivers[0], file, port)
    made.tell({})
    try:
        for service in (*drivers, upsd):
            service.start()
        wait_until(lambda: knows(port, names), "upsd knows what its drivers know")
        yield made
    finally:
        for service in (upsd, *drivers):
            service.stop()


def _configure(home: Path, port: int, names: tuple[str, ...], *, tls: bool, max_age_s: int) -> None:
    devices = (
        f'[{name}]\n  driver = dummy-ups\n  port = {home}/ups.dev\n  mode = dummy-once\n  desc = "{name}"\n'
        for name in names
    )
    files = {
        "ups.conf": "maxretry = 1\npollinterval = 1\n" + "".join(devices),
        "upsd.conf": f"LISTEN 127.0.0.1 {port}\nSTATEPATH {home}/run\nMAXAGE {max_age_s}\n",
        "upsd.users": f"[{USER}]\n  password = {PASSWORD}\n  upsmon secondary\n",
    }
    if tls:
        files["upsd.conf"] += f"CERTPATH {home}/certificates\nCERTIDENT upsd pass\n"
    for name, content in files.items():
        (home / name).write_text(content)
        (home / name).chmod(0o640)


def knows(port: int, names: Sequence[str]) -> bool:
    """Whether upsd has heard of the UPSes from their drivers."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection, connection.makefile("rwb") as lines:
        for name in names:
            lines.write(f"GET VAR {name} ups.load\n".encode())
            lines.flush()
            if not lines.readline().startswith(b"VAR "):
                return False
    return True


def _program(name: str) -> str:
    path = _PROGRAMS / name
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is not installed; run `make test`, or: apt-get install nut-server")
    return str(path)
