"""What every optimizer tells over HTTP: health, figures, the last plan, decisions. OpenAPI page at /docs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline

from edgeagent_central.optimize.decisions import Decisions
from edgeagent_central.optimize.figures import Figure, exposition


class Told(Protocol):
    """An optimizer at work, as it is asked about itself from other threads."""

    decisions: Decisions

    @property
    def trouble(self) -> str:
        """Why it does not work now; empty if it does."""

    @property
    def role(self) -> str:
        """Whether it is in charge, for people."""

    def figures(self) -> Iterable[Figure]:
        """For Prometheus."""

    def plan(self) -> dict[str, Any] | None:
        """The last plan; None if there is none."""


def application(title: str, service: Told) -> FastAPI:
    """The routes over one optimizer."""
    app: FastAPI = FastAPIOffline(title=f"edgeagent {title}", description="What was decided, and why.")

    @app.get("/healthz", summary="Whether it can do its work: 200, or 503 with the reason")
    def healthz(response: Response) -> dict[str, str]:
        trouble = service.trouble
        response.status_code = 503 if trouble else 200
        status = {"status": "failing", "reason": trouble} if trouble else {"status": "ok"}
        return status | {"role": service.role}

    @app.get("/metrics", response_class=PlainTextResponse, summary="Its own figures, for Prometheus")
    def metrics() -> str:
        return exposition(service.figures())

    @app.get("/v1/plans", response_model=dict[str, Any], summary="The plan that holds now")
    def plans() -> Response:
        plan = service.plan()
        if plan is None:
            raise HTTPException(404, f"there is no plan yet; it {service.role}")
        return as_json(plan)

    @app.get("/v1/decisions", response_model=list[dict[str, Any]], summary="What was decided, youngest first")
    def decisions(count: Annotated[int, Query(ge=1, le=600)] = 60) -> Response:
        return as_json(service.decisions.last(count))

    return app


def as_json(what: Any) -> Response:
    """Without the detour over models, which takes seconds for a long answer."""
    return Response(msgspec.json.encode(what), media_type="application/json")
