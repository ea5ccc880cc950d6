"""Serving an HTTP API beside what the program does."""

from __future__ import annotations

import socket
import threading

import uvicorn
from fastapi import FastAPI

from edgeagent_sdk.errors import EdgeError


class Server:
    """An HTTP API in a thread of its own.

    Raises:
        EdgeError: the address cannot be used.
    """

    def __init__(self, application: FastAPI, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._socket = socket.create_server((host.strip("[]"), int(port)))
        except (OSError, OverflowError) as error:
            reason = (getattr(error, "strerror", "") or str(error)).partition(" (while")[0].lower()
            raise EdgeError(f"listen {listen}: {reason}; end what uses it or set another address") from None
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(application, log_level="warning", access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="http", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End within a second."""
        self._server.should_exit = True
        self._thread.join(1.0)
