"""The book of orders: kept over restarts, asked from other threads."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from copy import copy
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec

from edgeagent_central.optimize.power.event import Before, Event
from edgeagent_central.optimize.power.orders import Asked, Order
from edgeagent_sdk.errors import EdgeError

_LOG = logging.getLogger("edgeagent")

#: Reports of orders that are over stay so long, and no more than so many orders are kept.
_KEPT_S: Final = 7 * 86400.0
_ORDERS_MAX: Final = 1000

#: What is measured is written down this often.
_SAVE_S: Final = 10.0

_EVENTS = msgspec.json.Decoder(list[Event])


class Book:
    """Orders of one site. Safe to use from any thread.

    Args:
        path: the file that they are kept in.
        floor_w: what the site can be held to at least.

    Attributes:
        changed: called when there is something that others do not know.

    Raises:
        EdgeError: the file is there and cannot be read.
    """

    def __init__(self, path: Path, floor_w: float) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._path, self._floor_w = path, floor_w
        self._lock = threading.Lock()
        self._before = Before()
        self._saved_s = -inf
        try:
            self._events = {each.order.id: each for each in _EVENTS.decode(path.read_bytes())}
        except FileNotFoundError:
            self._events = {}
        except (OSError, msgspec.DecodeError) as error:
            raise EdgeError(f"{path}: the orders cannot be read: {error}; mend or remove it") from None

    def add(self, asked: Asked, now_s: float) -> dict[str, Any]:
        """Take an order; how it stands. Raises EdgeError for one that cannot be, or cannot be kept."""
        order = asked.order(now_s)
        with self._lock:
            if len(self._events) >= _ORDERS_MAX:
                raise EdgeError(f"{_ORDERS_MAX} orders are kept already; remove some")
            self._events[order.id] = Event(order=order, floor_w=self._floor_w)
            try:
                self._save(now_s)
            except OSError as error:
                del self._events[order.id]
                raise EdgeError(f"{self._path}: {error.strerror}; the order is not taken") from None
        self.changed()
        _LOG.info(
            "order %s: to %s", order.id, f"{order.to_w:g} W" if order.by is None else f"-{order.by:.0%}"
        )
        return self._report(order.id, now_s)

    def remove(self, id_: str, now_s: float) -> dict[str, Any] | None:
        """Take an order back; how it stood, or None if there was none."""
        with self._lock:
            event = self._events.get(id_)
            if event is None or event.order.cancelled:
                return None
            report = event.report(now_s, self._before.mean_w())
            event.order.cancelled = True
            self._try_to_save(now_s)
        self.changed()
        return report

    def orders(self) -> list[Order]:
        """All that are kept."""
        with self._lock:
            return [copy(event.order) for event in self._events.values()]

    def merge(self, theirs: Sequence[Order], now_s: float) -> None:
        """Take over what another knows. Whoever merges what, in whatever order, ends up with the same."""
        with self._lock:
            before = [copy(event.order) for event in self._events.values()]
            for order in theirs:
                if order.id not in self._events and now_s <= order.over_s + _KEPT_S:
                    self._events[order.id] = Event(order=order, floor_w=self._floor_w)
                elif order.id in self._events:
                    self._events[order.id].order.merge(order)
            if [event.order for event in self._events.values()] != before:
                self._try_to_save(now_s)

    def reports(self, now_s: float) -> list[dict[str, Any]]:
        """How each stands, the next to begin last."""
        with self._lock:
            events = [event for event in self._events.values() if not event.order.cancelled]
            events.sort(key=lambda event: event.order.from_s)
            return [event.report(now_s, self._before.mean_w()) for event in events]

    def measure(self, now_s: float, total_w: float) -> None:
        """A second's measurement of the whole site."""
        begun = False
        with self._lock:
            active = [e for e in self._events.values() if e.order.phase(now_s) not in ("coming", "over")]
            for event in active:
                if event.order.baseline_w is None:
                    event.begin(self._before, total_w)
                    self._saved_s, begun = -inf, True
                event.measure(now_s, total_w)
            if not active:  # what is drawn under an order is no baseline of the next
                self._before.add(now_s, total_w)
            for id_ in [i for i, e in self._events.items() if now_s > e.order.over_s + _KEPT_S]:
                del self._events[id_]
            if active and now_s - self._saved_s > _SAVE_S:
                self._try_to_save(now_s)
        if begun:
            self.changed()

    def limits_w(self, now_s: float, leads_s: Sequence[float]) -> list[float]:
        """What the site may draw by the orders, now and so many seconds later; infinite where by none."""
        with self._lock:
            expected_w = self._before.mean_w()
            orders = [event.order for event in self._events.values()]
        limits_w = []
        for lead_s in leads_s:
            least_w = inf
            for order in orders:
                baseline_w = order.baseline_w if order.baseline_w is not None else expected_w
                if baseline_w is not None or order.to_w is not None:
                    least_w = min(least_w, order.limit_w(now_s + lead_s, baseline_w or order.to_w or 0.0))
            limits_w.append(least_w)
        return limits_w

    def _report(self, id_: str, now_s: float) -> dict[str, Any]:
        with self._lock:
            return self._events[id_].report(now_s, self._before.mean_w())

    def _try_to_save(self, now_s: float) -> None:
        try:
            self._save(now_s)
        except OSError as error:
            _LOG.error("%s: %s; orders are kept in memory only", self._path, error.strerror)

    def _save(self, now_s: float) -> None:
        """Whole or not at all, also when the power fails."""
        self._saved_s = now_s
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(list(self._events.values())))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
