"""The aggregator's feed: the last values of a site's channels, asked for once a turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
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
