"""The topic tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.names import NAME_PATTERN, Identity
from edgeagent_sdk.topics import KINDS, Topic, everyone, parse_topic, topic

_NAMES = st.from_regex(rf"\A{NAME_PATTERN}\Z")


def test_the_topics_of_the_design() -> None:
    me = Identity("s1", "n1")
    assert topic(me, "data") == "edge/v1/s1/n1/data"
    assert topic(me, "cmd", "ping", prefix="plant") == "plant/v1/s1/n1/cmd/ping"
    assert everyone("data") == "edge/v1/+/+/data"
    assert everyone("cmd") == "edge/v1/+/+/cmd/+"
    assert everyone("data", group="g", prefix="plant") == "$share/g/plant/v1/+/+/data"


@given(_NAMES, _NAMES, st.sampled_from(KINDS), _NAMES)
def test_every_topic_is_taken_apart_again(site: str, node: str, kind: str, name: str) -> None:
    identity, name = Identity(site, node), name if kind == "cmd" else ""
    assert parse_topic(topic(identity, kind, name)) == Topic(identity, kind, name)


@pytest.mark.parametrize(
    "text",
    [
        "", "edge", "edge/v1/s1/n1", "edge/v2/s1/n1/data", "other/v1/s1/n1/data", "edge/v1/s1/n1/dat",
        "edge/v1/s1/n1/data/x", "edge/v1/s1/n1/cmd", "edge/v1/S1/n1/data", "edge/v1/s1//data",
        "edge/v1/+/n1/data", "xedge/v1/s1/n1/data", "edge/v1/s1/n1/cmd/a/b", "/edge/v1/s1/n1/data",
    ],
)  # fmt: skip
def test_other_topics_are_refused(text: str) -> None:
    with pytest.raises(EdgeError):
        parse_topic(text)
