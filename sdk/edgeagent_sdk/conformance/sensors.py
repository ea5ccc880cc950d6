"""The rules of every driver while all is well: describing, discovering, opening, reading, closing."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from edgeagent_sdk.channel import Channel
from edgeagent_sdk.config import explain
from edgeagent_sdk.conformance.bench import Bench, make, opened
from edgeagent_sdk.conformance.calls import in_time, without_error
from edgeagent_sdk.conformance.held import Held, soon
from edgeagent_sdk.conformance.values import (
    Counts,
    check_risen,
    check_values,
    counts,
    numbers,
    one_line,
)
from edgeagent_sdk.driver import Found, Host, Options, Sensor
from edgeagent_sdk.errors import NameInvalid
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.names import check_name

_PASSES = 5

#: A driver may keep what a library holds for good; more with each opening is a leak.
_OPENINGS = 10
_LEAK = 5


class SensorChecks:
    """Derive from `DriverConformance` instead."""

    driver: ClassVar[type[Sensor]]

    @pytest.fixture
    def bench(self) -> Bench:
        """The device to try the driver on: give a fixture of this name in your class."""
        pytest.fail(f"give {type(self).__name__} a fixture `bench` that returns a Bench", pytrace=False)

    # Before it is opened.

    def test_it_says_what_it_is(self) -> None:
        """`summary` is one line for people."""
        assert one_line(self.driver.summary), "set `summary` to one line that says what is read"

    def test_its_options_explain_themselves(self) -> None:
        """Each key has a description: `edgeagent check --explain` prints it."""
        assert issubclass(self.driver.Options, Options), "derive the class Options from edgeagent_sdk.Options"
        silent = [row["key"] for row in explain(self.driver.Options) if not row["meaning"]]
        assert not silent, (
            f"no description for {', '.join(silent)}. Write Annotated[<type>, msgspec.Meta(description=…)]"
        )

    def test_making_it_touches_nothing(self, bench: Bench, tmp_path: Path) -> None:
        """`__init__` only stores: the agent makes every driver before it opens any."""
        held = Held()
        for host in (bench.host, Host(tmp_path / "nowhere")):
            made = partial(make, self.driver, replace(bench, host=host))
            sensor = without_error(made, bench.patience_s, "__init__", "Only store host and options there")
            assert not held.more(), (
                f"{type(sensor).__name__} holds {held.more()} once it is made. Leave that to `open`"
            )

    def test_discovery_finds_nothing_on_a_bare_machine(self, bench: Bench, tmp_path: Path) -> None:
        """Without the device `discover` gives nothing, or says what is missing; it never raises."""
        bare = tmp_path / "a-bare-machine"
        bare.mkdir()
        for found in self._discover(Host(bare), bench):
            assert found.missing, (
                f"`discover` found {found.device!r} ({found.summary}) where there is nothing. Look below"
                " host.path(…) only, and give `missing` for what cannot be read now"
            )

    def test_what_it_discovers_can_be_opened(self, bench: Bench) -> None:
        """The options in `Found` are those that reach the device."""
        if not bench.discovered:
            pytest.skip("the bench does not say that its device is `discovered`")
        readable = [found for found in self._discover(bench.host, bench) if not found.missing]
        assert readable, "`discover` does not find the bench's device, or says that something is missing"
        for found in readable:
            with opened(make(self.driver, replace(bench, options=found.options)), bench):
                pass

    def _discover(self, host: Host, bench: Bench) -> list[Found]:
        """What `discover` gives, each of it well-formed."""
        everything = without_error(
            lambda: list(self.driver.discover(host)),
            bench.patience_s,
            "discover",
            "What cannot be read is a Found with `missing` and `remedy`",
        )
        for found in everything:
            _check_name(found.device, "device")
            assert one_line(found.summary), (
                f"{found.device}: `summary` is to be one line that says what it is"
            )
            assert not found.missing or one_line(found.remedy), (
                f"{found.device}: missing is {found.missing!r}. Give the `remedy`: what to"
                " install, or to allow"
            )
            try:
                msgspec.convert(found.options, self.driver.Options)
            except msgspec.ValidationError as error:
                raise AssertionError(
                    f"{found.device}: `discover` gives options that Options does not take: {error}"
                ) from None
        return everything

    # Open.

    def test_its_channels_are_told_apart(self, bench: Bench) -> None:
        """At least one channel; no two with one quantity and name."""
        with opened(make(self.driver, bench), bench) as device:
            channels = device.channels
        assert channels, "`open` returned no channel. Raise DriverError if the device measures nothing"
        strange = [channel for channel in channels if not isinstance(channel, Channel)]
        assert not strange, f"`open` returned {strange[0]!r}. Return Channel(name, quantity) for each value"
        twice = [key for key, times in Counter(channel.key for channel in channels).items() if times > 1]
        assert not twice, (
            f"several channels are {'/'.join(twice[0])}. edgeagent_sdk.names.unique tells them apart"
        )

    def test_a_pass_gives_a_value_for_each_channel(self, bench: Bench) -> None:
        """A float in the quantity's unit, within its bounds, or a Fault with a reason in one line."""
        with opened(make(self.driver, bench), bench) as device:
            for _ in range(_PASSES):
                values = device.read()
                check_values(device.channels, values)
                time.sleep(bench.settle_s)
        assert numbers(values), f"not one number, although the device is there: {values}"

    def test_counters_never_fall(self, bench: Bench) -> None:
        """Over passes, and over closing and opening again within one process."""
        sensor = make(self.driver, bench)
        before: Counts = {}
        for _ in range(2):
            with opened(sensor, bench) as device:
                for _ in range(_PASSES):
                    now = counts(device.channels, device.read())
                    check_risen(before, now)
                    before |= now
                    time.sleep(bench.settle_s)

    def test_the_age_of_values_is_a_time(self, bench: Bench) -> None:
        """`age_s` is finite and not negative."""
        with opened(make(self.driver, bench), bench) as device:
            device.read()
            age_s = device.sensor.age_s
        assert isinstance(age_s, float | int) and 0 <= age_s < math.inf, (
            f"`age_s` is {age_s!r} after a pass. Set it to the seconds since the device measured, or leave it"
        )

    def test_what_happened_is_told_once(self, bench: Bench) -> None:
        """`occurrences` gives each occurrence once, as one line."""
        with opened(make(self.driver, bench), bench) as device:
            device.read()
            first, again = list(device.sensor.occurrences()), list(device.sensor.occurrences())
        told = [each for each in again if each in first]
        assert not told, f"`occurrences` told {told[0].kind!r} again. Forget what was told"
        for each in first:
            assert each.kind and one_line(each.message), f"{each}: give a kind, and a message of one line"
            assert each.severity in Severity and 0 <= each.age_s < math.inf, f"{each}: no severity or age"

    # Closing.

    def test_it_is_closed_before_opening_and_twice(self, bench: Bench) -> None:
        """`close` may come before `open`, and again."""
        sensor = make(self.driver, bench)
        self._close_twice(sensor, bench, "before `open`")
        with opened(sensor, bench):
            self._close_twice(sensor, bench, "after it was closed")

    def _close_twice(self, sensor: Sensor, bench: Bench, when: str) -> None:
        advice = "Set in __init__ what `close` looks at, and let it do nothing when nothing is open"
        for _ in range(2):
            without_error(sensor.close, bench.patience_s, f"close {when}", advice)

    def test_opened_again_it_is_the_same(self, bench: Bench) -> None:
        """The same channels in the same order: the agent opens it again after each failure."""
        sensor = make(self.driver, bench)
        seen = []
        for _ in range(2):
            with opened(sensor, bench) as device:
                seen.append([channel.key for channel in device.channels])
                device.read()
        assert seen[0] == seen[1], (
            f"{len(seen[1])} channels when opened again, {len(seen[0])} at first, or in another order."
            " Begin `open` with empty lists"
        )

    def test_it_leaks_nothing(self, bench: Bench) -> None:
        """Neither files nor threads grow with each opening."""
        sensor = make(self.driver, bench)

        def once() -> None:
            sensor.open()
            sensor.read()
            sensor.close()

        in_time(once, bench.patience_s, "open, read, close")
        held = Held()
        for _ in range(_OPENINGS):
            in_time(once, bench.patience_s, "open, read, close")
        assert soon(lambda: not held.more(_LEAK), bench.patience_s), (
            f"{_OPENINGS} times open, read, close left behind {held.more(_LEAK)}. Let `close` end what"
            " `open` began"
        )


def _check_name(name: str, what: str) -> None:
    try:
        check_name(name, what)
    except NameInvalid as error:
        raise AssertionError(f"{error}. edgeagent_sdk.names.slug makes a name of any text") from None
