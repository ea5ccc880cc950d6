"""The UPSes of an upsd on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeagent.drivers.nut.client import Client
from edgeagent_sdk.driver import Found, Host
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug

_PORT = 3493

#: An upsd on this machine answers at once, or is none.
_PROBE_S = 0.5


def discover(host: Host, port: int = _PORT) -> Iterator[Found]:
    """Every UPS, and what keeps it from being read. Without an upsd, nothing."""
    if host.root != Path("/"):
        return  # a made-up tree has no loopback
    try:
        client = Client("127.0.0.1", port, _PROBE_S)
    except DriverError:
        return
    try:
        for ups, description in client.upses().items():
            yield _look(client, ups, description)
    except DriverError as error:
        yield Found("ups", {}, f"{client.where}", error.reason, error.remedy)
    finally:
        client.close()


def _look(client: Client, ups: str, description: str) -> Found:
    missing, remedy = "", ""
    try:
        variables = client.variables(ups)
    except DriverError as error:
        variables, missing, remedy = {}, error.reason, error.remedy
    maker, model = variables.get("device.mfr", ""), variables.get("device.model", "")
    what = f"{maker} {model}".strip() or description.replace("Unavailable", "") or "a UPS"
    return Found(f"ups-{slug(ups)}"[:63], {"ups": ups}, f"{what} at {client.where}", missing, remedy)
