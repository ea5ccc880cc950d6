"""InfluxDB 1.x, through its ``/write`` and ``/query`` API.

Source: InfluxDB 1.8 API reference. 204 means committed; a 400 with ``partial write`` means that the
other lines were taken.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from edgeagent_central.stores.base import (
    TAGS,
    Query,
    Series,
    Store,
    StoreMisconfigured,
    StoreOptions,
    StoreRejected,
    within_limit,
)
from edgeagent_central.stores.http import HttpConnection, complain, refused_lines
from edgeagent_sdk.quantities import QUANTITIES, Kind


class Influx1Options(StoreOptions, frozen=True):
    """The ``[store]`` table of an InfluxDB 1.x."""

    url: Annotated[str, msgspec.Meta(description="http://[user:password@]host:8086")] = (
        "http://127.0.0.1:8086"
    )
    database: Annotated[str, msgspec.Meta(description="made if it is not there")] = "edgeagent"
    retention_policy: Annotated[str, msgspec.Meta(description="empty for the database's default")] = ""


class Influx1Store(Store):
    """Lines go through as they came."""

    Options = Influx1Options

    def __init__(self, options: Influx1Options) -> None:
        super().__init__(options)
        self._writer = HttpConnection(options.url)
        self._reader = HttpConnection(options.url)
        self._reading = threading.Lock()
        target = {"db": options.database, "precision": "ns", "consistency": "all"}
        if options.retention_policy:
            target["rp"] = options.retention_policy
        self._path = f"/write?{urlencode(target)}"

    def write(self, payloads: Sequence[bytes]) -> None:
        """One request for all of it."""
        body = b"".join(payloads)
        response = self._writer.request("POST", self._path, body)
        if response.status == 404 and b"database not found" in response.body:
            self._create(response.text)
            response = self._writer.request("POST", self._path, body)
        complain(self._writer.shown, response)
        if response.status >= 400:
            raise StoreRejected(response.text, refused_lines(response.text, body))

    def query(self, query: Query) -> list[Series]:
        """InfluxQL: every measurement that matches, grouped by series."""
        names = [query.quantity] if query.quantity else sorted(QUANTITIES)
        statements = ";".join(_statement(name, query) for name in names)
        arguments = urlencode({"db": self.options.database, "epoch": "ns", "q": statements})
        with self._reading:
            response = self._reader.request("GET", f"/query?{arguments}")
        complain(self._reader.shown, response)
        answer: dict[str, Any] = msgspec.json.decode(response.body)
        if error := answer.get("error"):
            raise StoreMisconfigured(f"store {self._reader.shown}: {error}")
        found = (_series(one) for result in answer["results"] for one in result.get("series", ()))
        return within_limit(series for series in found if series)

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()
        self._reader.close()

    def _create(self, why: str) -> None:
        statement = urlencode({"q": f"CREATE DATABASE {_name(self.options.database)}"})
        response = self._writer.request("POST", f"/query?{statement}")
        complain(self._writer.shown, response)
        if response.status >= 400 or b'"error"' in response.body:
            raise StoreMisconfigured(
                f"store {self._writer.shown}: {why}; creating it failed: {response.text}"
            )


def _statement(quantity: str, query: Query) -> str:
    wanted = "value"
    if query.step_ns:
        wanted = "LAST(value)" if QUANTITIES[quantity].kind is Kind.COUNTER else "MEAN(value)"
    where = [f"time >= {query.start_ns}", f"time < {query.end_ns}"]
    where += [f"{_name(tag)} = {_text(value)}" for tag, value in query.tags().items()]
    text = f"SELECT {wanted} FROM {_name(quantity)} WHERE {' AND '.join(where)} GROUP BY "
    return text + (f"time({query.step_ns}ns), * fill(none)" if query.step_ns else "*")


def _series(series: dict[str, Any]) -> Series | None:
    """A series of the answer; None if it is another program's, with tags or values of its own."""
    tags = series["tags"]
    if not all(tags.get(tag) for tag in TAGS):
        return None
    points = [(int(row[0]), float(row[1])) for row in series["values"] if isinstance(row[1], int | float)]
    return Series._make([series["name"], *(tags[tag] for tag in TAGS), points])


def _name(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
