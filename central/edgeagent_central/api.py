"""The HTTP API: health, metrics, the fleet, and the readings in the store. OpenAPI page at /docs."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline

from edgeagent_central import metrics, views
from edgeagent_central.aggregator import Aggregator
from edgeagent_central.stores.base import Query as StoreQuery
from edgeagent_central.stores.base import StoreDown, StoreMisconfigured, TooMuch
from edgeagent_sdk.names import Identity
from edgeagent_sdk.quantities import QUANTITIES

_HOUR_S = 3600.0

#: The last second whose nanoseconds fit the 64 bits of the stores.
_LAST_S = 9.2e9

#: Steps of one series; a store would rather die than refuse a step of a nanosecond over a year.
_STEPS_MAX = 100_000

_ROWS = list[dict[str, Any]]


def application(aggregator: Aggregator) -> FastAPI:
    """The routes over one aggregator."""
    app: FastAPI = FastAPIOffline(
        title="edgeagent aggregator", description="The live fleet, and what it measured."
    )

    @app.get("/healthz", summary="Whether readings flow: 200, or 503 with the reason")
    def healthz(response: Response) -> dict[str, str]:
        trouble = aggregator.trouble
        response.status_code = 503 if trouble else 200
        return {"status": "failing", "reason": trouble} if trouble else {"status": "ok"}

    @app.get(
        "/metrics", response_class=PlainTextResponse, summary="The aggregator's own figures, for Prometheus"
    )
    def prometheus() -> str:
        return metrics.exposition(aggregator)

    @app.get("/v1/nodes", response_model=_ROWS, summary="Every node: state, age, rate, gaps")
    def nodes() -> Response:
        return _json(views.nodes(aggregator.fleet))

    @app.get(
        "/v1/nodes/{site}/{node}",
        response_model=dict[str, Any],
        summary="One node, with the last value of every channel",
    )
    def one_node(site: str, node: str) -> Response:
        found = aggregator.fleet.nodes.get(Identity(site, node))
        if found is None:
            raise HTTPException(404, f"no node {site}/{node} was heard of; /v1/nodes lists those that were")
        return _json(views.detail(aggregator.fleet, found))

    @app.get(
        "/v1/latest",
        response_model=dict[str, Any],
        summary="The last value of every channel of some quantities, for programs that ask each second",
    )
    def latest(
        quantity: Annotated[list[str], Query(description="one or several")], site: str = ""
    ) -> Response:
        for name in quantity:
            _known(name)
        return _json(views.latest(aggregator.fleet, site, quantity))

    @app.get("/v1/series", response_model=_ROWS, summary="Readings out of the store, over a range of time")
    def series(
        quantity: str = "",
        channel: str = "",
        device: str = "",
        node: str = "",
        site: str = "",
        start: Annotated[
            float | None,
            Query(ge=0, le=_LAST_S, description="seconds since 1970; default: an hour before the end"),
        ] = None,
        end: Annotated[
            float | None,
            Query(ge=0, le=_LAST_S, description="seconds since 1970, exclusive; default: now"),
        ] = None,
        step: Annotated[
            float, Query(ge=0, le=_LAST_S, description="seconds; a gauge's mean, a counter's last value")
        ] = 0.0,
    ) -> Response:
        end_s = time.time() if end is None else end
        start_s = max(0.0, end_s - _HOUR_S) if start is None else start
        if not start_s < end_s:
            raise HTTPException(422, f"start {start_s} is not before end {end_s}")
        if step and (end_s - start_s) / step > _STEPS_MAX:
            raise HTTPException(422, f"more than {_STEPS_MAX} steps; ask for less time or a longer step")
        if quantity:
            _known(quantity)
        span = int(start_s * 1e9), int(end_s * 1e9), int(step * 1e9)
        try:
            found = aggregator.store.query(StoreQuery(*span, quantity, channel, device, node, site))
        except (StoreDown, StoreMisconfigured) as error:
            raise HTTPException(503, str(error)) from None
        except TooMuch as error:
            raise HTTPException(413, str(error)) from None
        return _json([views.series(row) for row in found])

    return app


def _known(quantity: str) -> None:
    if quantity not in QUANTITIES:
        raise HTTPException(422, f"unknown quantity {quantity!r}; known: {', '.join(QUANTITIES)}")


def _json(rows: Any) -> Response:
    # FastAPI's own way over its models takes seconds for a long answer, and the intake waits meanwhile.
    return Response(msgspec.json.encode(rows), media_type="application/json")
