"""Passwords of devices: from the configuration, a file or the environment; never in a log or a listing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from edgeagent_sdk.driver import Options
from edgeagent_sdk.errors import DriverError


class Login(Options):
    """The keys of a driver whose device wants to know who asks."""

    username: Annotated[str, msgspec.Meta(description="user name at the device; empty for none")] = ""
    password: Annotated[str, msgspec.Meta(description="password; better kept in password_file")] = ""
    password_file: Annotated[str, msgspec.Meta(description="file whose first line is the password")] = ""
    password_env: Annotated[
        str, msgspec.Meta(description="environment variable of the agent that holds the password")
    ] = ""

    def secret(self) -> str:
        """The password; empty if none is given. Raises DriverError if its place cannot be read."""
        if self.password_file:
            return _first_line(self.password_file)
        if self.password_env:
            try:
                return os.environ[self.password_env]
            except KeyError:
                raise DriverError(
                    f"password_env: the agent's environment has no {self.password_env}",
                    "set it where the agent is started, e.g. by EnvironmentFile= in its unit",
                ) from None
        return self.password

    def __repr__(self) -> str:
        """Everything but the password."""
        shown = {f: getattr(self, f) for f in self.__struct_fields__ if f != "password"}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    raise DriverError(f"password_file {path}: {reason}", "let the agent's user read it, and nobody else")
