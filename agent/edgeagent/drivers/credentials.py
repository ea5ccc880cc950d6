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
        return secret(self, "password")

    def __repr__(self) -> str:
        """Everything but the password."""
        return shown(self, "password")


def secret(options: Options, key: str) -> str:
    """What `key`_file, `key`_env or `key` gives, the first that is set. Raises DriverError without it."""
    path, variable = getattr(options, f"{key}_file"), getattr(options, f"{key}_env")
    if path:
        return _first_line(f"{key}_file", path)
    if not variable:
        given: str = getattr(options, key)
        return given
    try:
        return os.environ[variable]
    except KeyError:
        raise DriverError(
            f"{key}_env: the agent's environment has no {variable}",
            "set it where the agent is started, e.g. by EnvironmentFile= in its unit",
        ) from None


def shown(options: Options, *secrets: str) -> str:
    """The options as Python writes them, without `secrets`."""
    keys = [key for key in options.__struct_fields__ if key not in secrets]
    return f"{type(options).__name__}({', '.join(f'{key}={getattr(options, key)!r}' for key in keys)})"


def _first_line(key: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        reason, remedy = "is not UTF-8 text", "write the secret alone into its first line"
    except PermissionError:
        reason, remedy = "permission denied", "let the agent's user read it, and nobody else"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "name a file that has the secret in its first line"
    raise DriverError(f"{key} {path}: {reason}", remedy)
