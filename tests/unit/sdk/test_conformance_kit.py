"""The conformance kit itself: for each of its rules a driver that breaks just that one, and is caught."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edgeagent_sdk import (
    Actuator,
    Channel,
    DriverError,
    Fault,
    Found,
    Host,
    Occurrence,
    Options,
    Sensor,
    Value,
)
from edgeagent_sdk.conformance import DriverConformance

from .kitdriver import Box, BoxSensor, Fan, Relay, ask

CHECKS = sorted(name for name in dir(DriverConformance) if name.startswith("test_"))


class Broken(NamedTuple):
    """A driver that breaks one rule, the check that must catch it, and what that must say."""

    what: str
    check: str
    words: str
    members: dict[str, Any]

    @property
    def driver(self) -> type[BoxSensor]:
        return type("BrokenSensor", (BoxSensor,), dict(self.members))


class Undescribed(Options):
    path: str


def touching(self: BoxSensor, host: Host, options: Any) -> None:
    BoxSensor.__init__(self, host, options)
    ask(self.path)


def holding(self: BoxSensor, host: Host, options: Any) -> None:
    BoxSensor.__init__(self, host, options)
    _kept.append(Path("/proc/self/stat").open())  # noqa: SIM115


def discovering(*found: Found) -> classmethod[Any, Any, Any]:
    return classmethod(lambda cls, host: found if host.path("dev/box").exists() else ())


def everywhere(cls: type[Sensor], host: Host) -> Iterable[Found]:
    return [Found("box", {"path": "/dev/box"}, "a box")]


def opening(*channels: Channel) -> Callable[[BoxSensor], Sequence[Channel]]:
    def open_(self: BoxSensor) -> Sequence[Channel]:
        BoxSensor.open(self)
        return channels

    return open_


def reading(change: Callable[[list[Value]], Sequence[Any]]) -> Callable[[BoxSensor], Sequence[Any]]:
    return lambda self: change(list(BoxSensor.read(self)))


def counting_from_the_opening(self: BoxSensor) -> Sequence[Channel]:
    self.total_j, self.last_j = 100.0 if self.last_j is None else 0.0, 50.0
    return BoxSensor.open(self)


def telling_again(self: BoxSensor) -> Sequence[Occurrence]:
    return self.news


def closing_only_open(self: BoxSensor) -> None:
    self.last_values.clear()  # type: ignore[attr-defined]


def open_with_values(self: BoxSensor) -> Sequence[Channel]:
    self.last_values = []  # type: ignore[attr-defined]
    return BoxSensor.open(self)


def opening_more_each_time(self: BoxSensor) -> Sequence[Channel]:
    self.times = getattr(self, "times", 0) + 1  # type: ignore[attr-defined]
    return [*BoxSensor.open(self), *(Channel(f"more{i}", "load") for i in range(1, self.times))]  # type: ignore[attr-defined]


def reading_more(self: BoxSensor) -> Sequence[Value]:
    return [*BoxSensor.read(self), *[1.0] * (self.times - 1)]  # type: ignore[attr-defined]


_kept: list[Any] = []


def leaking(self: BoxSensor) -> Sequence[Channel]:
    channels = BoxSensor.open(self)
    _kept.append(self.path.open())
    return channels


def leaving_threads(self: BoxSensor) -> Sequence[Channel]:
    threading.Thread(target=time.sleep, args=(2.0,), daemon=True).start()
    return BoxSensor.open(self)


def remembering(on: str) -> Callable[[BoxSensor], Sequence[Value]]:
    """Goes on with the last values while the device says `on`."""

    def read(self: BoxSensor) -> Sequence[Value]:
        try:
            self.last_values = BoxSensor.read(self)  # type: ignore[attr-defined]
        except DriverError as error:
            if on not in str(error) or not hasattr(self, "last_values"):
                raise
        return self.last_values  # type: ignore[attr-defined, no-any-return]

    return read


def opening_once(self: BoxSensor) -> Sequence[Channel]:
    if self.last_j is not None and getattr(self, "failed", False):
        raise DriverError("was opened already")
    return BoxSensor.open(self)


def failing_for_good(self: BoxSensor) -> Sequence[Value]:
    try:
        return BoxSensor.read(self)
    except DriverError:
        self.failed = True  # type: ignore[attr-defined]
        raise


def hanging_when_silent(self: BoxSensor) -> Sequence[Value]:
    try:
        return BoxSensor.read(self)
    except DriverError as error:
        if "no answer" in str(error):
            time.sleep(1.0)
        raise


def opening_plainly(self: BoxSensor) -> Sequence[Channel]:
    self.path.read_text()
    return BoxSensor.open(self)


class Described(Fan):
    def __init__(self, path: Path, **changes: Any) -> None:
        super().__init__(path)
        self.info = self.info._replace(**changes)


def with_actuators(*make: Callable[[Path], Actuator]) -> Callable[[BoxSensor], Sequence[Actuator]]:
    return lambda self: [each(self.path) for each in make]


class Integral(Fan):
    def get(self) -> float:
        return 1 if super().get() > 0.5 else 0


class Percent(Fan):
    """Sets what it calls a share in percent."""

    def set(self, value: float) -> None:
        super().set(value / 100)


class Stepping(Fan):
    """Changes by what it is told, in the place of going there."""

    def set(self, value: float) -> None:
        super().set((self.get() + value) % 1.5)


class Deaf(Fan):
    def set(self, value: float) -> None:
        pass


class Endless(Relay):
    def hold(self, value: float, ttl_s: float) -> None:
        super().hold(value, 1e6)


class Unreleased(Relay):
    """Lets a lease run out, but never ends one."""

    def release(self) -> None:
        pass


POWER, ENERGY = Channel("in", "power"), Channel("in", "energy")

PASS = "test_a_pass_gives_a_value_for_each_channel"
BARE = "test_discovery_finds_nothing_on_a_bare_machine"
DISCOVERED = "test_what_it_discovers_can_be_opened"
APART = "test_its_channels_are_told_apart"
DESCRIBE = "test_actuators_describe_themselves"
HOLDS = "test_what_is_set_holds"

BROKEN = [
    Broken("no summary", "test_it_says_what_it_is", "set `summary`", {"summary": ""}),
    Broken("a summary of two lines", "test_it_says_what_it_is", "one line", {"summary": "a\nb"}),
    Broken("a silent option", "test_its_options_explain_themselves", "for path", {"Options": Undescribed}),
    Broken("reaches it when made", "test_making_it_touches_nothing", "Only store", {"__init__": touching}),
    Broken(
        "opens a file when made", "test_making_it_touches_nothing", "holds files: 1", {"__init__": holding}
    ),
    Broken("looks past the root", BARE, "host.path", {"discover": classmethod(everywhere)}),
    Broken("finds nothing", DISCOVERED, "does not find", {"discover": discovering()}),
    Broken(
        "finds with wrong options",
        DISCOVERED,
        "Options does not take",
        {"discover": discovering(Found("box", {"file": "x"}, "a box"))},
    ),
    Broken(
        "finds under no name",
        DISCOVERED,
        "'a-box' would do",
        {"discover": discovering(Found("A box", {"path": "/dev/box"}, "a box"))},
    ),
    Broken(
        "finds what is missing, without a remedy",
        DISCOVERED,
        "Give the `remedy`",
        {"discover": discovering(Found("box", {"path": "/dev/box"}, "a box", "permission denied"))},
    ),
    Broken(
        "a channel twice", APART, "several channels are power/in", {"open": opening(POWER, POWER, ENERGY)}
    ),
    Broken("an int", PASS, "1 is an int", {"read": reading(lambda v: [1, *v[1:]])}),
    Broken("NaN", PASS, "nan is no number", {"read": reading(lambda v: [float("nan"), *v[1:]])}),
    Broken("a wrong unit", PASS, "quantity's unit (Cel)", {"read": reading(lambda v: [*v[:2], 23000.0])}),
    Broken("a Fault of no words", PASS, "needs a reason", {"read": reading(lambda v: [*v[:2], Fault("")])}),
    Broken(
        "a total of each opening", "test_counters_never_fall", "fell", {"open": counting_from_the_opening}
    ),
    Broken("an age before now", "test_the_age_of_values_is_a_time", "`age_s` is -1", {"age_s": -1.0}),
    Broken("old news", "test_what_happened_is_told_once", "'opened' again", {"occurrences": telling_again}),
    Broken(
        "closes only what is open",
        "test_it_is_closed_before_opening_and_twice",
        "raised AttributeError",
        {"open": open_with_values, "close": closing_only_open},
    ),
    Broken(
        "more channels at each opening",
        "test_opened_again_it_is_the_same",
        "4 channels when opened again, 3 at first",
        {"open": opening_more_each_time, "read": reading_more},
    ),
    Broken("files stay open", "test_it_leaks_nothing", "files: 10", {"open": leaking}),
    Broken("threads go on", "test_it_leaks_nothing", "threads: 10", {"open": leaving_threads}),
    Broken(
        "the last values of what is gone",
        "test_unplugged_it_gives_no_number",
        "still gives numbers",
        {"read": remembering("No such file")},
    ),
    Broken(
        "never comes back",
        "test_plugged_in_again_it_reads_on",
        "device is back",
        {"open": opening_once, "read": failing_for_good},
    ),
    Broken(
        "an OSError for what is absent",
        "test_absent_it_is_told_in_words",
        "raised FileNotFoundError",
        {"open": opening_plainly},
    ),
    Broken(
        "hangs with its device", "test_silent_it_blocks_nobody", "within 0.3 s", {"read": hanging_when_silent}
    ),
    Broken(
        "the last values of what is silent",
        "test_silent_it_blocks_nobody",
        "fell silent",
        {"read": remembering("no answer")},
    ),
    Broken(
        "the device's own count",
        "test_counters_go_on_after_a_reset",
        "fell",
        {"count": lambda self, now_j: now_j},
    ),
    Broken(
        "no limits",
        DESCRIBE,
        "limits from",
        {"actuators": with_actuators(lambda p: Described(p, maximum=0.0), Relay)},
    ),
    Broken(
        "an unknown quantity",
        DESCRIBE,
        "unknown quantity 'speeed'",
        {"actuators": with_actuators(lambda p: Described(p, quantity="speeed"), Relay)},
    ),
    Broken("one name twice", DESCRIBE, "share a name", {"actuators": with_actuators(Fan, Fan, Relay)}),
    Broken(
        "holds an int",
        "test_what_holds_can_be_read",
        "finite float",
        {"actuators": with_actuators(Integral, Relay)},
    ),
    Broken("sets in percent", HOLDS, "in the quantity's unit", {"actuators": with_actuators(Percent, Relay)}),
    Broken("sets by steps", HOLDS, "absolute", {"actuators": with_actuators(Stepping, Relay)}),
    Broken("sets nothing", HOLDS, "holds", {"actuators": with_actuators(Deaf, Relay)}),
    Broken(
        "a lease without end",
        "test_a_lease_ends_by_itself",
        "still holds",
        {"actuators": with_actuators(Endless)},
    ),
    Broken(
        "a lease that stays",
        "test_a_lease_is_released_at_once",
        "released, it holds",
        {"actuators": with_actuators(Unreleased)},
    ),
]


def outcomes(driver: type[Sensor], directory: Path, check: str) -> str:
    """What a check says about a driver: why it failed, or that it passed, or was skipped."""
    class_: Any = type("Checked", (DriverConformance,), {"driver": driver})
    function = getattr(class_(), check)
    given: dict[str, Callable[[], Any]] = {
        "bench": lambda: Box(directory / check / "root").bench(),
        "tmp_path": lambda: directory / check,
    }
    wanted = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    try:
        function(**{name: given[name]() for name in wanted})
    except AssertionError as error:
        return str(error)
    except pytest.skip.Exception as error:
        return f"skipped: {error}"
    return "passed"


@pytest.mark.parametrize("check", CHECKS)
def test_a_driver_that_keeps_all_rules_passes_and_nothing_is_skipped(tmp_path: Path, check: str) -> None:
    assert outcomes(BoxSensor, tmp_path, check) == "passed"


@pytest.mark.parametrize("broken", BROKEN, ids=[broken.what for broken in BROKEN])
def test_a_broken_rule_is_caught_by_its_check_and_no_other(tmp_path: Path, broken: Broken) -> None:
    said = {check: outcomes(broken.driver, tmp_path, check) for check in CHECKS}
    caught = {check: words for check, words in said.items() if words != "passed" and "skipped" not in words}
    assert list(caught) == [broken.check], caught
    assert broken.words in caught[broken.check]


def test_every_check_has_a_driver_that_it_catches() -> None:
    assert {broken.check for broken in BROKEN} == set(CHECKS)


SUITE = """
import pytest
from pathlib import Path
from edgeagent_sdk import Channel, Host, Sensor
from edgeagent_sdk.conformance import Bench, DriverConformance

class Lying(Sensor):
    summary = "a thermometer that lies"
    def open(self):
        return [Channel("air", "temperature")]
    def read(self):
        return [999.0]

class Failing(Lying):
    def open(self):
        return [Channel("air")]

class TestLying(DriverConformance):
    driver = Lying
    @pytest.fixture
    def bench(self, tmp_path):
        return Bench(Host(tmp_path))

class TestFailing(TestLying):
    driver = Failing

class TestNothing(DriverConformance):
    driver = Lying
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest tells the author of that suite."""
    suite = tmp_path_factory.mktemp("suite") / "test_suite.py"
    suite.write_text(SUITE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-k",
        "pass_gives or apart",
        str(suite),
    ]
    done = subprocess.run(command, cwd=suite.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        "The rule: A float in the quantity's unit, within its bounds, or a Fault with a reason in one line.",
        "Broken: Channel('air', 'temperature'): 999 Cel is outside -100 to 300.",
        'return [Channel("air")]',
        "the rule that was checked",
        "give TestNothing a fixture `bench` that returns a Bench",
    ],
)
def test_a_failure_reads_as_advice(report: str, words: str) -> None:
    assert words in report


def test_the_advice_does_not_show_the_kit(report: str) -> None:
    lying = report.split("TestLying")[1].partition("TestFailing")[0]
    assert "check_values(" not in lying
