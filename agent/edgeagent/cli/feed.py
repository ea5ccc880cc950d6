"""What an aggregator tells about its fleet over HTTP, as typed rows."""

from __future__ import annotations

import http.client
import socket
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from edgeagent_sdk.errors import EdgeError

T = TypeVar("T")

_TIMEOUT_S = 3.0


class FeedError(EdgeError):
    """The aggregator does not answer."""


class Latest(msgspec.Struct, kw_only=True):
    """The newest stored value of one channel."""

    quantity: str
    device: str
    channel: str
    value: float
    unit: str = ""
    age_s: float | None = None


class Node(msgspec.Struct, kw_only=True):
    """One node, as the store knows it. `outbox` is how many batches wait on it, where it says so."""

    site: str
    node: str
    status: str = "unknown"
    clock: str = ""
    age_s: float | None = None
    rate_per_s: float = 0.0
    readings: int = 0
    gaps: int = 0
    channels: int = 0
    outbox: float | None = None
    latest: list[Latest] = []

    @property
    def name(self) -> str:
        """Site and node in one."""
        return f"{self.site}/{self.node}"


class Feed:
    """One connection to an aggregator, taken up again when it breaks.

    Args:
        url: where it serves HTTP, e.g. ``http://127.0.0.1:8700``.

    Raises:
        EdgeError: the URL is none.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise EdgeError(f"{url!r} is not a URL of an aggregator; write http://host[:port]")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.url = url.rstrip("/")
        self._base = parts.path.rstrip("/")
        self._connection = kind(parts.hostname, port, timeout=_TIMEOUT_S)

    def nodes(self) -> list[Node]:
        """All nodes, without their latest values. Raises FeedError."""
        return self._get("/v1/nodes", list[Node])

    def detail(self, node: Node) -> Node:
        """One node with its latest values. Raises FeedError."""
        full = self._get(f"/v1/nodes/{quote(node.site)}/{quote(node.node)}", Node)
        for row in full.latest:
            if (row.device, row.quantity, row.channel) == ("agent", "depth", "outbox"):
                full.outbox = row.value
        return full

    def trouble(self) -> str:
        """Why the aggregator is not ready; empty if it answers and its store takes readings."""
        try:
            status, body = self._request("/healthz")
        except FeedError as error:
            return str(error)
        return "" if status == 200 else _reason(body)

    def _get(self, path: str, kind: type[T]) -> T:
        status, body = self._request(path)
        if status != 200:
            raise FeedError(f"{self.url}{path}: the answer is HTTP {status}; is that an aggregator?")
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FeedError(f"{self.url}{path}: not an aggregator's answer: {error}") from None

    def _request(self, path: str) -> tuple[int, bytes]:
        for last in (False, True):  # a kept connection may have ended since; a fresh one tells
            fresh = self._connection.sock is None
            try:
                self._connection.request("GET", self._base + path)
                response = self._connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if last or fresh:
                    raise FeedError(f"{self.url}: no aggregator answers there ({_words(error)})") from None
        raise AssertionError("unreachable")


def _reason(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["reason"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace").strip()


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
