"""What an InfluxDB says of a partial write, word for word, and what is made of it."""

from __future__ import annotations

import pytest

from edgeagent_central.stores.http import refused_lines

P, Q, V = b"power,node=a value=1 1", b"power,node=b value=1 1", b"voltage,node=a value=1 1"
BODY = b"\n".join([P, V, Q]) + b"\n"

CONFLICT = (
    'partial write: field type conflict: input field "value" on measurement "{0}" is type float, '
    "already exists as type string dropped={1}"
)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(CONFLICT.format("power", 2), [P, Q], id="a whole measurement"),
        pytest.param(CONFLICT.format("voltage", 1), [V], id="another"),
        pytest.param(
            '{"error":"' + CONFLICT.replace('"', '\\"').format("power", 2) + '"}', [P, Q], id="in JSON"
        ),
        pytest.param(CONFLICT.format("power", 3), [P, V, Q], id="everything"),
        pytest.param(
            CONFLICT.format("power", 1), None, id="one of two: a part of them lies in another shard"
        ),
        pytest.param(CONFLICT.format("energy", 1), None, id="a measurement that was not written"),
        pytest.param("partial write: points beyond retention policy dropped=3", [P, V, Q], id="all too old"),
        pytest.param("partial write: points beyond retention policy dropped=1", None, id="some too old"),
        pytest.param("unable to parse 'x': missing fields", None, id="no partial write"),
        pytest.param("", None, id="no words"),
    ],
)
def test_refused_lines(text: str, lines: list[bytes] | None) -> None:
    assert refused_lines(text, BODY) == lines
