"""Secrets of devices: where they come from, what is said when they are not there, and that none is shown."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edgeagent.drivers.credentials import Login, secret
from edgeagent.drivers.snmp.options import SnmpOptions
from edgeagent_sdk.driver import Options
from edgeagent_sdk.errors import DriverError


def refuse(path: Path, *_: str) -> str:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


KINDS = [(Login, {}, "password"), (SnmpOptions, {"host": "pdu"}, "community")]


@pytest.mark.parametrize(("kind", "others", "key"), KINDS)
def test_file_environment_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Options], others: dict[str, str], key: str
) -> None:
    (tmp_path / "secret").write_bytes(b"of the file\r\nmore\n")
    monkeypatch.setenv("SECRET", "of the environment")
    everywhere = {f"{key}_file": str(tmp_path / "secret"), f"{key}_env": "SECRET", key: "of the key"}
    for expected in ("of the file", "of the environment", "of the key"):
        options = kind(**others, **everywhere)
        assert secret(options, key) == expected
        assert "of the key" not in repr(options)
        everywhere.pop(next(iter(everywhere)))


@pytest.mark.parametrize(
    ("where", "words"),
    [
        pytest.param({"file": "none"}, "_file .*/none: no such file or directory; name a file", id="no file"),
        pytest.param({"file": "."}, "_file .*: is a directory; name a file", id="a directory"),
        pytest.param(
            {"file": "binary"}, "_file .*/binary: is not UTF-8 text; write the secret", id="no text"
        ),
        pytest.param(
            {"file": "locked"}, "_file .*/locked: permission denied; let the agent's user", id="locked"
        ),
        pytest.param({"env": "NOT_SET"}, "_env: .* has no NOT_SET; set it where the agent", id="not set"),
    ],
)
@pytest.mark.parametrize(("kind", "others", "key"), KINDS)
def test_what_is_not_there_is_told_with_its_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Options],
    others: dict[str, str],
    key: str,
    where: dict[str, str],
    words: str,
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    if where == {"file": "locked"}:
        monkeypatch.setattr(Path, "read_text", refuse)  # root, as whom tests may run, may read everything
    monkeypatch.delenv("NOT_SET", raising=False)
    [(place, name)] = where.items()
    options = kind(**others, **{f"{key}_{place}": str(tmp_path / name) if place == "file" else name})
    with pytest.raises(DriverError, match=f"^{key}{words}"):
        secret(options, key)
