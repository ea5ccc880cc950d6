"""The meter at the site's grid connection, as a Modbus TCP slave with the map of `sunspec`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any, Final, Self

from edgeagent_hil.exposed.sunspec import (
    BASE,
    OVER_CURRENT,
    POWER_FAILURE,
    UNDER_VOLTAGE,
    Phase,
    Rating,
    registers,
    scales,
)
from edgeagent_hil.twin import Site, SiteInputs, SiteOutputs, SiteState
from edgeagent_sdk.errors import EdgeError

_IDENTITY: Final = {"Mn": "edgeagent", "Md": "twin meter", "Vr": "1", "SN": "twin-1"}

#: EN 50160:2010: the voltage stays within 10 % of the nominal one; below 5 % the supply is interrupted.
_UNDER_SHARE, _FAILED_SHARE = 0.9, 0.05

_START_S: Final = 10.0


class Meter:
    """Serves from a thread of its own, from `__enter__` to `__exit__`; answers to every unit id.

    Args:
        host, port: where it listens; port 0 takes a free one.

    Attributes:
        port: where it listens, once entered.
    """

    def __init__(self, site: Site, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._rating = Rating(site.nominal_v, float(site.main.rated_a[0]))
        self._scales = scales(self._rating)
        silent = [Phase(0, 0, 0, 0, 0, 0)] * 3
        self._image = registers(silent, 0.0, self._scales, POWER_FAILURE, _IDENTITY)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Any = None

    def __enter__(self) -> Self:
        """Raises EdgeError if it cannot listen there."""
        self._thread.start()
        try:
            self._call(self._listen())
        except (OSError, UnicodeError, RuntimeError) as error:
            self._end()
            where = f"{self.host}:{self.port}"
            raise EdgeError(
                f"the meter cannot listen on {where}: {_reason(error)}; give another HOST:PORT"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._server.shutdown())
        self._end()

    def steer(self, inputs: SiteInputs) -> SiteInputs:
        """A meter changes nothing."""
        return inputs

    def show(self, state: SiteState, outputs: SiteOutputs) -> None:
        """Measure. The registers change all at once, so no request sees half of two measurements."""
        phases = [
            Phase(*map(float, values))
            for values in zip(
                outputs.grid_v,
                outputs.grid_current_a,
                outputs.grid_phase_w,
                outputs.grid_phase_va,
                state.grid_j,
                state.exported_j,
                strict=True,
            )
        ]
        event = _event(phases, self._rating)
        self._image = registers(phases, outputs.grid_hz, self._scales, event, _IDENTITY)

    async def _listen(self) -> None:
        from pymodbus.server import ModbusTcpServer
        from pymodbus.simulator import DataType, SimData, SimDevice

        # The server keeps why it cannot listen to itself, and its logger's words are nobody's.
        logging.getLogger("pymodbus").addHandler(logging.NullHandler())
        trial = await self._loop.create_server(asyncio.Protocol, self.host, self.port)
        trial.close()
        await trial.wait_closed()
        data = SimData(BASE, values=list(self._image), datatype=DataType.REGISTERS, readonly=True)
        device = SimDevice(0, simdata=[data], action=self._refresh)
        self._server = ModbusTcpServer(device, address=(self.host, self.port))
        await self._server.serve_forever(background=True)
        self.port = self._server.transport.sockets[0].getsockname()[1]

    async def _refresh(
        self,
        _code: int,
        start: int,
        _address: int,
        _count: int,
        held: list[int],
        _written: Sequence[Any] | None,
    ) -> None:
        """Called before each answer with the registers that the server holds from `start` on."""
        held[BASE - start : BASE - start + len(self._image)] = self._image

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_S)
        self._loop.close()


def _reason(error: Exception) -> str:
    """What the system says, without the address that asyncio puts before it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.rpartition(": ")[2].lower()
    return str(error) or type(error).__name__


def _event(phases: Sequence[Phase], rating: Rating) -> int:
    """The event bits of model 203 that hold now."""
    lowest_v = min(phase.voltage_v for phase in phases)
    bits = 0
    if lowest_v < _FAILED_SHARE * rating.voltage_v:
        bits |= POWER_FAILURE
    if lowest_v < _UNDER_SHARE * rating.voltage_v:
        bits |= UNDER_VOLTAGE
    if max(phase.current_a for phase in phases) > rating.current_a:
        bits |= OVER_CURRENT
    return bits
