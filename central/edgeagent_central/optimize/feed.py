"""The aggregator's feed: the last values of a site's channels, asked for once a turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from edgeagent_central.stores.base import StoreDown, StoreMisconfigured, TooMuch
from edgeagent_central.stores.http import HttpConnection
from edgeagent_sdk.errors import EdgeError


class Latest(msgspec.Struct):
    """An answer: the aggregator's time, and (series, value, stamp) of each channel; ns UTC."""

    now_ns: int
    latest: list[tuple[str, float, int]]


_DECODER = msgspec.json.Decoder(Latest)


class Feed:
    """One aggregator, or the address that several stand behind.

    Args:
        url: ``http://host:port``.
        quantities: what is asked for.

    Raises:
        EdgeError: the URL is none.
    """

    def __init__(self, url: str, site: str, quantities: Sequence[str], timeout_s: float = 2.0) -> None:
        try:
            self._connection = HttpConnection(url, timeout_s)
        except StoreMisconfigured:
            raise EdgeError(f"--aggregator {url!r}: write http://host:port, the aggregator's") from None
        pairs: list[tuple[str, Any]] = [("site", site), *(("quantity", name) for name in quantities)]
        self._path = f"/v1/latest?{urlencode(pairs)}"
        self.shown = self._connection.shown

    def ask(self) -> Latest:
        """What is known now. Raises EdgeError with the reason if there is no answer."""
        try:
            answer = self._connection.request("GET", self._path)
        except (StoreDown, TooMuch) as error:
            why = (
                str(error)
                .replace("store ", "aggregator ", 1)
                .replace("check store.url", "check --aggregator")
            )
            raise EdgeError(why) from None
        if answer.status != 200:
            raise EdgeError(f"aggregator {self.shown} answers {answer.status}: {answer.text}")
        try:
            return _DECODER.decode(answer.body)
        except msgspec.DecodeError as error:
            raise EdgeError(f"aggregator {self.shown}: its answer is not understood: {error}") from None


class Answer(NamedTuple):
    """What a feed has answered, and when, of the monotonic clock."""

    latest: Latest
    at_s: float


class Asking:
    """A feed asked beside the turns, one question at a time: one that hangs makes no turn late."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._asked: Future[Answer] | None = None

    def newest(self, wait_s: float) -> Answer | None:
        """Ask, and wait no longer than this: the answer, or one that came since the last time, or None.

        Raises:
            EdgeError: there is no answer, with the reason.
        """
        late = self._asked if self._asked and self._asked.done() else None
        if late or self._asked is None:
            self._asked = self._ask()
        asked = self._asked
        if wait([asked], wait_s).done:
            self._asked = None
            return asked.result()
        return late.result() if late else None

    def _ask(self) -> Future[Answer]:
        future = Future[Answer]()

        def ask() -> None:
            try:
                future.set_result(Answer(self._feed.ask(), time.monotonic()))
            except Exception as error:  # whatever it is, it belongs to who asks for the answer
                future.set_exception(error)

        threading.Thread(target=ask, name="feed", daemon=True).start()
        return future
