"""1-wire thermometers: what ``w1_slave`` may say, and what each of it means."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.w1 import W1Options, W1Sensor
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError

from .trees import EIO, build, good, reasons, values

D = "sys/bus/w1/devices"
A = "28-0316a2798dff"

Files = dict[str, str | bytes | Path]


def answer(milli_c: int, scratchpad: str = "72 01 4b 46 7f ff 0e 10 57", crc: str = "YES") -> str:
    """As drivers/w1/slaves/w1_therm.c prints it."""
    return f"{scratchpad} : crc={scratchpad[-2:]} {crc}\n{scratchpad} t={milli_c}\n"


def sensor(host: Host, **names: str) -> W1Sensor:
    return W1Sensor(host, W1Options(names={key.replace("_", "-"): name for key, name in names.items()}))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(answer(23125), 23.125, id="warm"),
        pytest.param(answer(-10062, "5f ff 4b 46 7f ff 01 10 dd"), -10.062, id="below zero"),
        pytest.param(answer(0, "00 00 4b 46 7f ff 0c 10 1c"), 0.0, id="exactly zero"),
        pytest.param(answer(85000, "50 05 4b 46 7f ff 10 10 37"), 85.0, id="85 °C, measured"),
        pytest.param(answer(-62, "ff ff ff ff ff ff ff ff ff", "NO"), "checksum is wrong", id="unplugged"),
        pytest.param(answer(23125, crc="NO"), "checksum is wrong", id="a disturbed line"),
        pytest.param(
            answer(0, "00 00 00 00 00 00 00 00 00"), "line is shorted", id="zeros with a right checksum"
        ),
        pytest.param(answer(85000, "50 05 4b 46 7f ff 0c 10 1c"), "after power-on", id="never measured"),
        pytest.param("", "answers nothing", id="nothing"),
        pytest.param("72 01 4b 46", "answers '72 01", id="half an answer"),
        pytest.param(EIO, "input/output error", id="EIO"),
    ],
)
def test_answers(tmp_path: Path, said: str | Path, expected: float | str) -> None:
    found = values(sensor(build(tmp_path, {f"{D}/{A}/w1_slave": said})))
    key = f"temperature/{A}"
    if isinstance(expected, float):
        assert good(found) == {key: expected}
    else:
        assert expected in reasons(found)[key]


@given(st.one_of(st.binary(max_size=100), st.text("0123456789abcdef :=crtYESNO\n-", max_size=100)))
def test_whatever_it_says_is_a_number_or_a_fault(
    tmp_path_factory: pytest.TempPathFactory, said: bytes | str
) -> None:
    (value,) = values(sensor(build(tmp_path_factory.mktemp("w1"), {f"{D}/{A}/w1_slave": said}))).values()
    assert isinstance(value, float | Fault)


@given(st.integers(-55_000, 125_000).filter(lambda milli_c: milli_c != 85_000))
def test_every_temperature_of_the_range(tmp_path_factory: pytest.TempPathFactory, milli_c: int) -> None:
    host = build(tmp_path_factory.mktemp("w1"), {f"{D}/{A}/w1_slave": answer(milli_c)})
    assert values(sensor(host)) == {f"temperature/{A}": milli_c / 1e3}


@pytest.mark.parametrize(
    ("temperatures_c", "kept"),
    [
        pytest.param((23.0, 85.0, 23.5), (23.0, None, 23.5), id="a jump to the value after power-on"),
        pytest.param((84.9, 85.0, 85.1), (84.9, 85.0, 85.1), id="warmed up to it"),
        pytest.param((23.0, 84.9), (23.0, 84.9), id="any other jump is the thermometer's own"),
    ],
)
def test_85_degrees(
    tmp_path: Path, temperatures_c: tuple[float, ...], kept: tuple[float | None, ...]
) -> None:
    made = sensor(build(tmp_path, {f"{D}/{A}/w1_slave": ""}))
    made.open()
    read = []
    for temperature_c in temperatures_c:
        (tmp_path / D / A / "w1_slave").write_text(answer(round(1e3 * temperature_c)))
        (value,) = made.read()
        read.append(value if isinstance(value, float) else None)
    assert tuple(read) == kept


def test_families_and_names(tmp_path: Path) -> None:
    others: Files = {
        f"{D}/{name}/w1_slave": answer(1000) for name in ("10-000802be1", "3b-0cd", "26-00aa", "x")
    }
    host = build(tmp_path, others | {f"{D}/{A}/w1_slave": answer(2000), f"{D}/w1_bus_master1/x": ""})
    assert good(values(sensor(host, **{A.replace("-", "_"): "supply"}))) == {
        "temperature/10-000802be1": 1.0,
        "temperature/supply": 2.0,
        "temperature/3b-0cd": 1.0,
    }
    (found,) = W1Sensor.discover(host)
    assert found.summary == f"3 thermometers: 10-000802be1, {A}, 3b-0cd"


def test_all_of_a_bus_convert_at_once_where_the_kernel_can(tmp_path: Path) -> None:
    trigger = f"{D}/w1_bus_master1/therm_bulk_read"
    made = sensor(
        build(tmp_path, {f"{D}/{A}/w1_slave": answer(2000), trigger: "0\n", f"{D}/w1_bus_master2/x": ""})
    )
    made.open()
    assert made.read() == [2.0]
    assert (tmp_path / trigger).read_text() == "trigger\n"
    assert not (tmp_path / D / "w1_bus_master2/therm_bulk_read").exists()


def test_a_thermometer_with_a_name_that_is_not_there(tmp_path: Path) -> None:
    host = build(tmp_path, {f"{D}/{A}/w1_slave": answer(2000)})
    with pytest.raises(DriverError, match=rf"thermometer 28-00 is not there \(here: {A}\)"):
        sensor(host, **{"28_00": "supply"}).open()


def test_names_that_the_wire_cannot_carry() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"names": {A: "Über uns"}}, W1Options)


def test_a_machine_without(tmp_path: Path) -> None:
    assert list(W1Sensor.discover(Host(tmp_path))) == []
    with pytest.raises(DriverError, match="no thermometer in"):
        sensor(Host(tmp_path)).open()
