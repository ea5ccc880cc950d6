"""The network protocol of Network UPS Tools: lines of text over TCP.

Source: NUT developer guide, chapter 9 "Network protocol information" (networkupstools.org).
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from contextlib import suppress
from typing import Final

from edgeagent_sdk.errors import DriverError

#: upsd's own lines have 512 bytes at most, and a UPS some hundred variables.
_LINE_MAX_BYTES, _LINES_MAX = 4096, 5000

#: upsd's words for a refusal → ours, and what to do.
_REFUSALS: Final = {
    "ACCESS-DENIED": ("it does not take our user name or password", "check username and password"),
    "USERNAME-REQUIRED": ("it wants to know who asks", "set username and password_file"),
    "PASSWORD-REQUIRED": ("it wants a password", "set password_file"),
    "INVALID-PASSWORD": ("the password is wrong", "check the password"),
    "INVALID-USERNAME": ("it does not know this user", "check username"),
    "FEATURE-NOT-CONFIGURED": (
        "it has no certificate for TLS",
        "set CERTFILE in its upsd.conf, or tls = false",
    ),
    "FEATURE-NOT-SUPPORTED": ("it is built without TLS", "set tls = false"),
    "UNKNOWN-COMMAND": ("it does not know what we ask", "is that a upsd?"),
    "UNKNOWN-UPS": ("it has no such UPS", ""),
    "DATA-STALE": ("its data is stale: the UPS does not answer its driver", "see to the UPS's cable"),
    "DRIVER-NOT-CONNECTED": ("its driver does not run", "upsdrvctl start"),
}

#: upsd's own status of a UPS whose driver has just come.
_WAIT = "WAIT"

_STALE = ("DATA-STALE", "DRIVER-NOT-CONNECTED")

#: A password that was refused is tried again no sooner.
_REFUSED_RETRY_S = 300.0

#: The words of a line; those in quotes may hold blanks, and escaped quotes and backslashes.
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


class Stale(DriverError):
    """upsd answers, but knows nothing fresh of the UPS."""


class Client:
    """One connection to a upsd.

    Args:
        timeout_s: for a whole answer, however it is cut into pieces.
        tls: what encrypts the connection; None to leave it open.

    Raises:
        DriverError: nobody there, or not with this TLS.
    """

    def __init__(self, address: str, port: int, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        self.where = f"upsd {address}:{port}"
        self._timeout_s = timeout_s
        self._rest = b""
        try:
            self._socket: socket.socket = socket.create_connection((address, port), timeout_s)
        except OSError as error:
            raise self._trouble(error) from None
        if tls:
            self._encrypt(tls, address)

    def login(self, username: str, password: str, ups: str) -> None:
        """Say who asks. upsd believes that of a UPS only, and counts us among its clients."""
        for line in (f"USERNAME {username}", f"PASSWORD {password}", f"LOGIN {ups}"):
            if any(ord(letter) < 32 for letter in line):
                raise DriverError(f"{self.where}: user name or password have characters that it cannot take")
            self._expect_ok(line)

    def upses(self) -> dict[str, str]:
        """The UPSes' names and descriptions."""
        return self._list("UPS", "")

    def variables(self, ups: str) -> dict[str, str]:
        """The variables of a UPS and their values.

        Raises:
            Stale: upsd has nothing fresh.
            DriverError: no sound answer.
        """
        found = self._list("VAR", ups)
        if found.get("ups.status") == _WAIT:
            raise Stale(f"{self.where}: its driver has told nothing yet", retry_s=1.0)
        return found

    def close(self) -> None:
        """Log out and hang up."""
        with suppress(OSError):
            self._socket.settimeout(0.2)
            self._socket.sendall(b"LOGOUT\n")
        self._socket.close()

    def _encrypt(self, tls: ssl.SSLContext, address: str) -> None:
        try:
            self._expect_ok("STARTTLS")
            self._rest = b""  # what came before the encryption may be anybody's
            self._socket = tls.wrap_socket(self._socket, server_hostname=address)
        except OSError as error:
            self._socket.close()
            raise self._trouble(error) from None
        except DriverError:
            self._socket.close()
            raise

    def _expect_ok(self, line: str) -> None:
        answer = self._ask(line)
        if not answer.startswith("OK"):
            raise self._nonsense(answer)

    def _list(self, kind: str, ups: str) -> dict[str, str]:
        query = f"LIST {kind} {ups}".rstrip()
        deadline_s = time.monotonic() + self._timeout_s
        begin = self._ask(query, deadline_s)
        if begin != f"BEGIN {query}":
            raise self._nonsense(begin)
        found: dict[str, str] = {}
        for _ in range(_LINES_MAX):
            line = self._line(deadline_s)
            if line == f"END {query}":
                return found
            parts = words(line)
            if parts[:-2] != [kind, *([ups] if ups else [])]:
                raise self._nonsense(line)
            found[parts[-2]] = parts[-1]
        raise DriverError(f"{self.where}: a list without end")

    def _ask(self, line: str, deadline_s: float = 0.0) -> str:
        deadline_s = deadline_s or time.monotonic() + self._timeout_s
        try:
            self._socket.sendall(line.encode() + b"\n")
        except OSError as error:
            raise self._trouble(error) from None
        answer = self._line(deadline_s)
        if answer.startswith("ERR "):
            raise self._refused(answer.split()[1])
        return answer

    def _line(self, deadline_s: float) -> str:
        while b"\n" not in self._rest:
            if len(self._rest) > _LINE_MAX_BYTES:
                raise DriverError(f"{self.where}: a line without end", "is that a upsd?")
            try:
                self._socket.settimeout(max(0.001, deadline_s - time.monotonic()))
                piece = self._socket.recv(4096)
            except OSError as error:
                raise self._trouble(error) from None
            if not piece:
                raise DriverError(f"{self.where}: hung up in the middle of an answer")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    def _refused(self, code: str) -> DriverError:
        meaning, remedy = _REFUSALS.get(code, (f"it refuses: {code}", ""))
        if code in _STALE:
            return Stale(f"{self.where}: {meaning}", remedy)
        retry_s = _REFUSED_RETRY_S if "password" in remedy else None
        return DriverError(f"{self.where}: {meaning}", remedy, retry_s=retry_s)

    def _nonsense(self, line: str) -> DriverError:
        return DriverError(f"{self.where}: answers {line[:60]!r}, which was not asked", "is that a upsd?")

    def _trouble(self, error: OSError) -> DriverError:
        match error:
            case ssl.SSLCertVerificationError():
                return DriverError(
                    f"{self.where}: its certificate does not verify ({error.verify_message})",
                    "give the CA that signed it as ca_file, or set verify = false on a network you trust",
                )
            case ssl.SSLError():
                return DriverError(f"{self.where}: TLS failed ({error.reason or error})")
            case socket.gaierror():
                return DriverError(f"{self.where}: no such host", "check address")
            case ConnectionRefusedError():
                return DriverError(
                    f"{self.where}: nothing listens there", "start upsd, or check address and port"
                )
            case TimeoutError():
                return DriverError(f"{self.where}: no answer within {self._timeout_s:g} s")
            case _:
                return DriverError(f"{self.where}: {(error.strerror or str(error)).lower()}")


def words(line: str) -> list[str]:
    """The words of a line, without quotes; fewer than three words are filled up with empty ones."""
    found = [
        re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
        for match in _WORD.finditer(line)
    ]
    return found + [""] * (3 - len(found))
