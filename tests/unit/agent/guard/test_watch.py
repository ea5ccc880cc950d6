"""When a guard acts, and when it lets go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent import guard
from edgeagent.guard.settings import GuardConfig, mistakes
from edgeagent.guard.watch import Sample, Watch
from edgeagent_sdk.config import explain

_GUARD = GuardConfig(
    name="heat", channel="soc/temperature/*", limit=95.0, release=85.0, actions={"cpu/*-max": "lowest"}
)

Story = list[tuple[float, float | None]]


def _guard(**changes: Any) -> GuardConfig:
    return msgspec.structs.replace(_GUARD, **changes)


def _told(guard: GuardConfig, story: Story, channel: str = "soc/temperature/cpu") -> list[tuple[float, str]]:
    """When it began (and why) or ceased to act; a story is times, and what was read then, None for a fault.

    Between them it looks ten times a second, and sees what was read last.
    """
    watch, news = Watch(guard, story[0][0]), []
    for i, (read_s, value) in enumerate(story):
        now_s, until_s = read_s, story[i + 1][0] if i + 1 < len(story) else read_s + 0.1
        while now_s < until_s - 1e-9:
            if watch.look({channel: Sample(value, read_s, "broken")}, now_s):
                news.append((round(now_s, 1), watch.alarm.kind if watch.alarm else "over"))
            now_s += 0.1
    return news


def _seconds(*values: float | None) -> Story:
    return [(float(second), value) for second, value in enumerate(values)]


@pytest.mark.parametrize(
    ("changes", "story", "news"),
    [
        pytest.param({}, _seconds(95.0, 95.0), [], id="at the limit is not above it"),
        pytest.param({"hold_s": 0}, _seconds(90, 96, 86, 85), [(1, "limit"), (3, "over")], id="hysteresis"),
        pytest.param(
            {"hold_s": 3}, _seconds(96, 20, 20, 20), [(0, "limit"), (3, "over")], id="it holds a while"
        ),
        pytest.param(
            {"for_s": 2}, _seconds(96, 96, 94, 96, 96, 96), [(5, "limit")], id="a breaker's patience"
        ),
        pytest.param({"stale_s": 3}, [(0, 50), (5, 50)], [(3.1, "stale")], id="nothing new for long"),
        pytest.param(
            {"stale_s": 3, "hold_s": 0},
            [(0, 50), (5, 50), (6, 50)],
            [(3.1, "stale"), (5, "over")],
            id="new again",
        ),
        pytest.param({"stale_s": 3}, _seconds(50, None, None, None, None), [(3.1, "stale")], id="faults"),
        pytest.param({"stale_s": 3}, _seconds(*[None] * 5), [(3.1, "stale")], id="never a number"),
        pytest.param({"stuck_s": 3}, _seconds(*[50.0] * 6), [(4, "stuck")], id="ever the same"),
        pytest.param({"stuck_s": 3}, _seconds(50, 50, 50.1, 50, 50), [], id="it moves a little"),
        pytest.param(
            {"stuck_s": 3, "hold_s": 0},
            _seconds(*[50.0] * 5, 50.1),
            [(4, "stuck"), (5, "over")],
            id="it moves again",
        ),
    ],
)
def test_it_acts_and_lets_go(changes: dict[str, Any], story: Story, news: list[tuple[float, str]]) -> None:
    told = _told(_guard(**changes), story)
    assert [what for _, what in told] == [what for _, what in news]
    assert [at_s for at_s, _ in told] == pytest.approx([at_s for at_s, _ in news], abs=0.11)


def test_the_highest_of_several_counts_and_each_that_goes_silent() -> None:
    watch = Watch(_guard(hold_s=0), 0.0)
    cpu, gpu = "soc/temperature/cpu", "soc/temperature/gpu"
    assert not watch.look({cpu: Sample(50.0, 0.0), gpu: Sample(60.0, 0.0)}, 0.0)
    assert watch.look({cpu: Sample(50.0, 1.0), gpu: Sample(97.0, 1.0)}, 1.0)
    assert watch.alarm is not None and (watch.alarm.channel, watch.alarm.value) == (gpu, 97.0)
    assert "gpu is 97, above 95" in watch.alarm.words
    assert not watch.look({cpu: Sample(99.0, 2.0), gpu: Sample(80.0, 2.0)}, 2.0)
    assert watch.look({cpu: Sample(80.0, 3.0), gpu: Sample(80.0, 3.0)}, 3.0)
    assert watch.peak == 99.0
    assert watch.look({cpu: Sample(80.0, 14.0)}, 14.0), "the other has gone"
    assert watch.alarm is not None and watch.alarm.kind == "stale" and watch.alarm.channel == gpu


def test_a_channel_that_is_not_configured_any_more_is_not_waited_for() -> None:
    watch = Watch(_guard(channel="*/temperature/*"), 0.0)
    watch.look({"soc/temperature/cpu": Sample(50.0, 0.0), "old/temperature/t": Sample(50.0, 0.0)}, 0.0)
    watch.keep(["soc"])
    assert not watch.look({"soc/temperature/cpu": Sample(50.0, 20.0)}, 20.0)


def test_what_nobody_could_read_while_the_process_stood_still_is_no_fault() -> None:
    watch = Watch(_GUARD, 0.0)
    old = {"soc/temperature/cpu": Sample(50.0, 0.0)}
    watch.look(old, 0.0)
    watch.excuse(60.0)
    assert not watch.look(old, 60.0)
    assert watch.look(old, 70.1), "now it is"


_VALUES = st.one_of(st.none(), st.floats(-50, 200))


@given(st.lists(st.tuples(st.floats(0, 5), _VALUES), max_size=60), st.floats(0, 4), st.floats(0, 4))
def test_whatever_is_read_it_acts_above_the_limit_and_never_lets_go_above_the_release(
    steps: list[tuple[float, float | None]], for_s: float, hold_s: float
) -> None:
    watch, now_s, over_s = Watch(_guard(for_s=for_s, hold_s=hold_s, stale_s=6), 0.0), 0.0, None
    for pause_s, value in steps:
        now_s += pause_s
        acted = watch.alarm
        watch.look({"soc/temperature/cpu": Sample(value, now_s)}, now_s)
        if value is not None:
            over_s = (now_s if over_s is None else over_s) if value > 95.0 else None
        if over_s is not None and now_s - over_s >= for_s:
            assert watch.alarm, "it is above the limit for long enough"
        if acted and not watch.alarm:
            assert now_s - watch.began_s >= hold_s
            assert value is None or value <= 85.0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"release": 95.0}, "release: must be below the limit, 95"),
        ({"limit": float("inf")}, "release: must be below"),
        ({"channel": "soc/heat/cpu"}, "channel: unknown quantity"),
        ({"channel": "soc/temperature"}, "channel: must be device/quantity/channel"),
        ({"channel": "sok/temperature/*"}, "channel: no [[device]] is named 'sok'; did you mean 'soc'?"),
        ({"stale_s": 1.5}, "stale_s: soc is read every 1 s: must be at least 2"),
        ({"actions": {"cpu": 1.0}}, "actions.cpu: must be device/actuator"),
        ({"actions": {"gpu/max": 1.0}}, "actions.gpu/max: no [[device]] is named 'gpu'"),
        ({"actions": {"cpu/max": float("nan")}}, "actions.cpu/max: must be a finite number"),
    ],
)
def test_mistakes_are_found(changes: dict[str, Any], why: str) -> None:
    (found,) = [
        f"{'.'.join(key)}: {words}" for key, words in mistakes(_guard(**changes), {"soc": 1.0, "cpu": 1.0})
    ]
    assert found.startswith(why)


def test_what_is_right_is_no_mistake() -> None:
    assert not list(mistakes(_GUARD, {"soc": 5.0, "cpu": 60.0}))
    assert not list(mistakes(_guard(channel="*/temp*/*", actions={"*/limit": 40.0}), {"soc": 1.0}))


def test_its_page_tells_every_key() -> None:
    page = (Path(guard.__file__).parent / "README.md").read_text("utf-8")
    for row in explain(GuardConfig):
        default = row["default"] if row["default"] == "(required)" else f"`{row['default']}`"
        assert f"| `{row['key']}` | {row['type']} | {default} | {row['meaning']} |" in page
