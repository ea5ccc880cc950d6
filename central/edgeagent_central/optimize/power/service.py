"""The power optimizer as a service: everything put together, and asked from outside."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import numpy as np
from fastapi import Body, FastAPI, HTTPException, Response

from edgeagent_central.optimize.decisions import Decisions
from edgeagent_central.optimize.feed import Feed
from edgeagent_central.optimize.figures import Figure, of_frame
from edgeagent_central.optimize.frame import Frame
from edgeagent_central.optimize.http import application, as_json
from edgeagent_central.optimize.leader import Leadership
from edgeagent_central.optimize.power.book import Book
from edgeagent_central.optimize.power.commands import Commands
from edgeagent_central.optimize.power.dispatch import Dispatch
from edgeagent_central.optimize.power.holdings import Holdings
from edgeagent_central.optimize.power.live import Live
from edgeagent_central.optimize.power.optimizer import PowerOptimizer
from edgeagent_central.optimize.power.orders import Asked
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.sharing import Sharing
from edgeagent_central.optimize.power.topology.load import load_topology, unsafe_fallbacks
from edgeagent_central.optimize.power.watch import QUANTITIES, Watch
from edgeagent_central.optimize.power.wiring import wired
from edgeagent_central.serving import Server
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.names import Identity

_LOG = logging.getLogger("edgeagent")

#: Its name among the nodes of its site.
NODE: Final = "optimizer-power"


class Settings(NamedTuple):
    """What the command line says.

    Args:
        aggregator: URL of its API.
        listen: address of our own.
        lease_s: how long a cap holds unless it is renewed.
        stale_s: readings older than this are not acted upon.
    """

    topology: Path
    broker: Broker
    prefix: str
    aggregator: str
    listen: str
    state_dir: Path
    lease_s: float
    stale_s: float


class Service:
    """One process of the power optimizer.

    Raises:
        EdgeError: the topology, the broker or the state directory cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        topology = load_topology(settings.topology)
        site, wiring = topology.site, wired(topology)
        feed = Feed(settings.aggregator, site.name, QUANTITIES)
        watch = Watch(topology, feed, settings.stale_s)
        home = _directory(settings.state_dir)
        self.decisions = Decisions(home / "decisions.jsonl")
        self.book = Book(home / "orders.json", float(site.min_w.sum()))
        self._fleet = Fleet(settings.broker, prefix=settings.prefix)
        self._lead = Leadership(settings.broker, Identity(site.name, NODE), prefix=settings.prefix)
        self._sharing = Sharing(settings.broker, Identity(site.name, NODE), self.book, prefix=settings.prefix)
        holdings = Holdings(wiring.slots)
        commands = Commands(self._fleet, site.name, holdings, self._lead, lease_s=settings.lease_s, by=NODE)
        dispatch = Dispatch(site, wiring, holdings, commands, settings.lease_s)
        self._live = Live(site, watch, dispatch, self.book, self._fleet)
        optimizer = PowerOptimizer(site, topology.keys.energy_price)
        self._frame: Frame[Snapshot, Plan] = Frame(optimizer, self._live, self._lead, self.decisions)
        self._server = Server(_application(self), settings.listen)

    @property
    def url(self) -> str:
        """Of the HTTP API."""
        return self._server.url

    @property
    def trouble(self) -> str:
        """Why it does not work now; empty if it does."""
        return self._fleet.trouble or self._live.watch.trouble

    @property
    def role(self) -> str:
        """Whether it is in charge, for people."""
        if self._lead.leads:
            return "is in charge"
        return f"stands by for {self._lead.other}" if self._lead.other else "waits for the lead"

    def run(self, ended: threading.Event) -> None:
        """Work until `ended`."""
        for warning in unsafe_fallbacks(self._live.site):
            _LOG.warning("%s", warning)
        self._warm_up()
        self._sharing.start()
        self._lead.start()
        self._server.start()
        try:
            self._frame.run(ended)
        finally:
            self._live.dispatch.let_go()
            self._lead.stop()
            self._sharing.stop()
            self._server.stop()
            self._fleet.close()

    def _warm_up(self) -> None:
        """Decide once for nobody: what solvers load and compile would make the first decision late."""
        nobody = PowerOptimizer(self._live.site)
        nobody.observe(self._live.look())
        nobody.decide()

    def plan(self) -> dict[str, Any] | None:
        """The last plan."""
        turn = self._frame.turn
        return None if turn is None else {"time_s": turn.time_s} | self._live.plan(turn.seen, turn.plan)

    def figures(self) -> Iterator[Figure]:
        """For Prometheus."""
        yield from of_frame(self._frame, self._lead)
        counts, turn = self._live.dispatch.commands.counts, self._frame.turn
        for outcome in ("sent", "unsent", "applied", "clamped", "refused", "expired"):
            yield Figure(f"commands_{outcome}_total", "counter", f"commands {outcome}", counts[outcome])
        yield Figure("troubles", "gauge", "readings and nodes that are not as they should be", self._troubles)
        yield Figure("power_w", "gauge", "what the site draws", self._live.total_w)
        if turn:
            yield Figure("limit_w", "gauge", "what the site may draw", float(turn.seen.limit_w[0]))
            yield Figure("silent", "gauge", "leaves that do not obey", int(np.sum(~turn.seen.answers)))
            yield Figure("stale", "gauge", "leaves without fresh readings", int(np.sum(~turn.seen.fresh)))

    @property
    def _troubles(self) -> int:
        return len(self._live.told.now)


def _application(service: Service) -> FastAPI:
    """What every optimizer tells, and the orders."""
    app = application("power optimizer", service)

    @app.post("/v1/orders", response_model=dict[str, Any], summary="Order that less be drawn for a time")
    def post(
        order: Annotated[dict[str, Any], Body(examples=[{"by": 0.25, "for_s": 3600, "ramp_s": 60}])],
    ) -> Response:
        try:
            asked = msgspec.convert(order, Asked)
            return as_json(service.book.add(asked, time.time()))
        except (msgspec.ValidationError, EdgeError) as error:
            raise HTTPException(422, str(error)) from None

    @app.get("/v1/orders", response_model=list[dict[str, Any]], summary="Every order, and what came of it")
    def orders() -> Response:
        return as_json(service.book.reports(time.time()))

    @app.delete("/v1/orders/{order}", response_model=dict[str, Any], summary="Take an order back")
    def delete(order: str) -> Response:
        report = service.book.remove(order, time.time())
        if report is None:
            raise HTTPException(404, f"no order {order!r}; /v1/orders lists them")
        return as_json(report)

    return app


def _directory(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EdgeError(f"--state-dir {path}: {reason}; give one that can be written") from None
    return path
