"""An HTTP proxy before the real store that answers in its place when told to."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Storefront:
    """Passes requests on to `target`, except writes while `answer` is set.

    Attributes:
        answer: status and headers given to writes in the store's place, or None.
        refused: how many writes got that answer.
    """

    def __init__(self, target: str) -> None:
        self.answer: tuple[int, dict[str, str]] | None = None
        self.refused = 0
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if front.answer and self.path.startswith("/write"):
                    front.refused += 1
                    status, headers = front.answer
                    self.reply(status, headers, b'{"error":"told to"}')
                else:
                    self.forward(body)

            def do_GET(self) -> None:
                self.forward(None)

            def forward(self, body: bytes | None) -> None:
                try:
                    with urllib.request.urlopen(urllib.request.Request(target + self.path, body)) as answer:
                        self.reply(answer.status, dict(answer.headers), answer.read())
                except urllib.error.HTTPError as error:
                    self.reply(error.code, dict(error.headers), error.read())
                except OSError:
                    self.close_connection = True  # the store is down: so are we

            def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                        self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="storefront", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def storefront(target: str) -> Iterator[Storefront]:
    """A `Storefront` before the store at `target`."""
    front = Storefront(target)
    try:
        yield front
    finally:
        front.close()
