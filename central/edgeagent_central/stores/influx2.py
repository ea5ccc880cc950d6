"""InfluxDB 2.x and 3.x, and VictoriaMetrics, through the v2 write API of influxdb-client.

Queries go by Flux to an InfluxDB and by the Prometheus API to a VictoriaMetrics, which answers
writes of line protocol but not Flux; it keeps milliseconds, and of text fields nothing.

A VictoriaMetrics keeps the newest seconds in memory (1.79, measured: data 1 s, the index of new series
6 s) and a ``kill -9`` takes them, acknowledged or not. So what it was given last is kept here, and
written again when it turns out to have been started anew.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from edgeagent_central.stores.base import (
    TAGS,
    Query,
    Series,
    Store,
    StoreDown,
    StoreMisconfigured,
    StoreOptions,
    StoreRejected,
    seconds,
    step,
    within_limit,
)
from edgeagent_central.stores.http import HttpConnection, complain, refused_lines
from edgeagent_central.stores.recent import Recent
from edgeagent_sdk.quantities import QUANTITIES, Kind

_LOG = logging.getLogger("edgeagent")

_MS = 10**6

#: What is kept for a VictoriaMetrics that gets killed: 10 s of 300,000 readings a second.
_RECENT_MAX_BYTES = 256 << 20

_VICTORIA = b"vm_app_version"
_STARTED = re.compile(rb"^process_start_time_seconds (\d+)", re.MULTILINE)


class Influx2Options(StoreOptions, frozen=True):
    """The ``[store]`` table of an InfluxDB 2.x or 3.x, or a VictoriaMetrics."""

    url: Annotated[str, msgspec.Meta(description="http://host:8086, or :8428 for VictoriaMetrics")] = (
        "http://127.0.0.1:8086"
    )
    org: Annotated[str, msgspec.Meta(description="organization")] = "edgeagent"
    bucket: Annotated[str, msgspec.Meta(description="bucket")] = "edgeagent"
    token: Annotated[str, msgspec.Meta(description="API token; empty for VictoriaMetrics")] = ""
    gzip: Annotated[bool, msgspec.Meta(description="compress what is sent; worth it over a slow network")] = (
        False
    )
    resend_s: Annotated[
        float,
        msgspec.Meta(
            description="a VictoriaMetrics that was killed is given the last so many seconds again", ge=0
        ),
    ] = 10.0


class Influx2Store(Store):
    """Lines go through as they came."""

    Options = Influx2Options

    def __init__(self, options: Influx2Options) -> None:
        # The package's types are partial; it is heavy, and loaded only where it is used.
        library: Any = import_module("influxdb_client")
        write_options: Any = import_module("influxdb_client.client.write_api")
        super().__init__(options)
        self._probe = HttpConnection(options.url)
        self._reading = threading.Lock()
        self._is_victoria: bool | None = None
        self._watch = HttpConnection(options.url, timeout_s=5.0)
        self._recent = Recent(options.resend_s, _RECENT_MAX_BYTES)
        self._started = b""
        self._client = library.InfluxDBClient(
            options.url, options.token, org=options.org, enable_gzip=options.gzip, timeout=30_000
        )
        self._write_api = self._client.write_api(write_options=write_options.SYNCHRONOUS)

    def write(self, payloads: Sequence[bytes]) -> None:
        """One request for all of it."""
        body = b"".join(payloads)
        self._send(body)
        if self._is_victoria is not False and self.options.resend_s:
            self._recent.add(body)

    def tend(self) -> None:
        """Give a VictoriaMetrics again what it may have forgotten, if it was started anew."""
        if self._is_victoria is False or not self.options.resend_s:
            return
        answer = self._watch.request("GET", "/metrics")
        self._is_victoria = _VICTORIA in answer.body
        started = _STARTED.search(answer.body)
        if not self._is_victoria or not started:
            self._recent.clear()
            return
        if self._started and started[1] != self._started:
            _LOG.warning("the store was started anew; it is given its last seconds again")
            for body in self._recent:
                self._send(body)
        self._started = started[1]
        self._recent.settle()

    def _send(self, body: bytes) -> None:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            self._write_api.write(self.options.bucket, self.options.org, body, "ns")
        except ApiException as error:
            raise self._in_words(error, body) from None
        except (HTTPError, OSError) as error:
            raise StoreDown(f"store {self._probe.shown}: {_reason(error)}") from None

    def query(self, query: Query) -> list[Series]:
        """By Flux, or by the Prometheus API where a VictoriaMetrics answers."""
        with self._reading:
            if self._is_victoria is None:
                self._is_victoria = is_victoria(self._probe)
            return self._query_victoria(query) if self._is_victoria else self._query_flux(query)

    def close(self) -> None:
        """Close the connections."""
        self._write_api.close()
        self._client.close()
        self._probe.close()
        self._watch.close()

    def _in_words(self, error: Any, body: bytes = b"") -> Exception:
        text = " ".join(str(error.body or error.reason or "").split())[:300]
        where = f"store {self._probe.shown}"
        if error.status in (400, 413, 422):
            return StoreRejected(text, refused_lines(text, body))
        if error.status in (401, 403, 404):
            return StoreMisconfigured(
                f"{where} refuses us ({error.status}): {text}; check token, org and bucket"
            )
        headers = error.headers or {}
        return StoreDown(f"{where} answers {error.status}: {text}", seconds(headers.get("Retry-After")))

    def _query_flux(self, query: Query) -> list[Series]:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            tables = self._client.query_api().query(_flux(self.options.bucket, query))
        except ApiException as error:
            raise self._in_words(error) from None
        except (HTTPError, OSError) as error:
            raise StoreDown(f"store {self._probe.shown}: {_reason(error)}") from None
        return within_limit(series for table in tables if (series := _from_table(table)))

    def _query_victoria(self, query: Query) -> list[Series]:
        name = f"{query.quantity}_value" if query.quantity else ".+_value"
        tags = "".join(f",{tag}={msgspec.json.encode(value).decode()}" for tag, value in query.tags().items())
        # The end is exclusive here, and inclusive there.
        span = {"start": query.start_ns / 1e9, "end": (query.end_ns - _MS) / 1e9}
        arguments = urlencode({"match[]": f'{{__name__=~"{name}"{tags}}}', "reduce_mem_usage": 1} | span)
        response = self._probe.request("GET", f"/api/v1/export?{arguments}")
        complain(self._probe.shown, response)
        return _from_export(response.body.splitlines(), query.step_ns)


def is_victoria(connection: HttpConnection) -> bool:
    """Whether a VictoriaMetrics answers there. Raises StoreDown if nothing does."""
    response = connection.request("GET", "/metrics")
    return _VICTORIA in response.body


def _from_export(lines: Sequence[bytes], step_ns: int) -> list[Series]:
    """The series of an export, which gives each of them in several blocks."""
    points: dict[tuple[str, ...], dict[int, float]] = {}
    for line in lines:
        block = msgspec.json.decode(line)
        tags = block["metric"]
        names = (tags["__name__"].removesuffix("_value"), *(tags.get(tag, "") for tag in TAGS))
        if names[0] in QUANTITIES and all(names):
            found = points.setdefault(names, {})
            found.update(zip((ms * _MS for ms in block["timestamps"]), block["values"], strict=True))
    result = []
    for (quantity, channel, device, node, site), found in sorted(points.items()):
        rising = sorted(found.items())
        if step_ns:
            rising = step(rising, step_ns, counter=QUANTITIES[quantity].kind is Kind.COUNTER)
        result.append(Series(quantity, channel, device, node, site, rising))
    return within_limit(result)


def _from_table(table: Any) -> Series | None:
    """A series of a Flux answer; None if it is another program's, with tags or values of its own."""
    tags = table.records[0].values
    names = [tags.get(tag) for tag in ("_measurement", *TAGS)]
    values = [(_ns(record.get_time()), record.get_value()) for record in table.records]
    if not all(names) or not all(isinstance(value, int | float) for _, value in values):
        return None
    return Series._make([*names, sorted((time_ns, float(value)) for time_ns, value in values)])


def _flux(bucket: str, query: Query) -> str:
    def text(value: str) -> str:
        return msgspec.json.encode(value).decode().replace("${", "\\${")

    conditions = ['r._field == "value"'] + [
        f"r.{tag} == {text(value)}" for tag, value in query.tags().items()
    ]
    if query.quantity:
        conditions.append(f"r._measurement == {text(query.quantity)}")
    span = f"range(start: time(v: {query.start_ns}), stop: time(v: {query.end_ns}))"
    flow = f"from(bucket: {text(bucket)}) |> {span} |> filter(fn: (r) => {' and '.join(conditions)})"
    if not query.step_ns:
        return flow
    counters = " or ".join(
        f'r._measurement == "{q.name}"' for q in QUANTITIES.values() if q.kind is Kind.COUNTER
    )
    window = f'every: {query.step_ns}ns, createEmpty: false, timeSrc: "_start"'
    return (
        f"data = {flow}\n"
        f"union(tables: [data |> filter(fn: (r) => {counters}) |> aggregateWindow(fn: last, {window}), "
        f"data |> filter(fn: (r) => not ({counters})) |> aggregateWindow(fn: mean, {window})])"
    )


def _ns(moment: Any) -> int:
    """A datetime of influxdb-client (microseconds) in nanoseconds."""
    microseconds = round(float(moment.timestamp()) * 1e6)
    return microseconds * 1000


def _reason(error: BaseException) -> str:
    cause = getattr(error, "reason", None) or error
    return str(cause).rpartition(": ")[2] or type(error).__name__
