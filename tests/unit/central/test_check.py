"""What the aggregator takes, and what it does not; and that its fast path is as strict as its slow one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeagent_central import check as module
from edgeagent_central.check import Checked, Window, check
from edgeagent_sdk.batch import PAYLOAD_MAX_BYTES, Header, encode_header
from edgeagent_sdk.names import Identity

ME = Identity("s1", "n1")
T = 1_790_000_000 * 10**9
DAY = 86400 * 10**9
WINDOW = Window(T - DAY, T + DAY)
YEAR = 365 * DAY


def line(value: str = "412.5", time: int | str = T, head: str = "") -> bytes:
    head = head or "power,channel=in,device=psu0,node=n1,site=s1"
    return f"{head} value={value} {time}\n".encode()


GOOD = line()


def batch(*lines: bytes, readings: int | None = None, identity: Identity = ME, time_ns: int = T) -> bytes:
    count = len(lines) if readings is None else readings
    return encode_header(Header(identity, "b00t", 7, count, "synced", time_ns)).encode() + b"".join(lines)


def run(payload: bytes) -> Checked:
    return check(payload, ME, {}, WINDOW)


def test_a_sound_batch_goes_through_as_it_came() -> None:
    payload = batch(line("1"), line("-2.5e-3"), line("+.5"))
    checked = run(payload)
    assert checked.payload == payload
    assert checked.values == [1.0, -0.0025, 0.5]
    assert (checked.bad, checked.whole) == ([], True)
    assert checked.header is not None and checked.header.seq == 7


def test_readings_of_other_programs_need_no_header() -> None:
    checked = run(GOOD + GOOD)
    assert (checked.payload, checked.header, checked.whole) == (GOOD + GOOD, None, True)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(b"\xff\xfe\n", "not UTF-8", id="not UTF-8"),
        pytest.param(line("nan"), "value=<finite float>", id="NaN"),
        pytest.param(line("inf"), "value=<finite float>", id="infinite"),
        pytest.param(line("-Infinity"), "value=<finite float>", id="minus infinity"),
        pytest.param(line("1e999"), "does not fit a double", id="too large for a double"),
        pytest.param(line("1_000"), "value=<finite float>", id="Python's underscores"),
        pytest.param(line("0x10"), "value=<finite float>", id="hexadecimal"),
        pytest.param(line("1i"), "value=<finite float>", id="an integer field"),
        pytest.param(line('"text"'), "value=<finite float>", id="text"),
        pytest.param(line("1,more=2"), "value=<finite float>", id="a second field"),
        pytest.param(line(""), "value=<finite float>", id="no value"),
        pytest.param(line(time=T + YEAR), "too far from now", id="a year ahead"),
        pytest.param(line(time=T - YEAR), "too far from now", id="a year ago"),
        pytest.param(line(time=T // 10**9), "too far from now", id="seconds for nanoseconds"),
        pytest.param(line(time="9" * 19), "64 bits", id="beyond 64 bits"),
        pytest.param(line(time="-1"), "too far from now", id="before 1970"),
        pytest.param(line(time="soon"), "time stamp", id="no number"),
        pytest.param(line(time=""), "time stamp", id="no time"),
        pytest.param(b"power,channel=in,device=psu0,node=n1,site=s1 value=1\n", "two blanks", id="no stamp"),
        pytest.param(
            line(head="power,channel=in,device=psu0,node=n2,site=s1"), "of s1/n2", id="another node"
        ),
        pytest.param(
            line(head="power,channel=in,device=psu0,node=n1,site=s2"), "of s2/n1", id="another site"
        ),
        pytest.param(
            line(head="powr,channel=in,device=psu0,node=n1,site=s1"), "unknown quantity 'powr'", id="quantity"
        ),
        pytest.param(
            line(head="power,device=psu0,channel=in,node=n1,site=s1"), "<quantity>,channel", id="tag order"
        ),
        pytest.param(
            line(head="power,channel=IN,device=psu0,node=n1,site=s1"), "<quantity>,channel", id="upper case"
        ),
        pytest.param(line(head="power,channel=a\\ b,device=d,node=n1,site=s1"), "two blanks", id="an escape"),
        pytest.param(b"\n", "two blanks", id="an empty line"),
        pytest.param(b"A value=1\n 10\n", "two blanks", id="a line broken within"),
        pytest.param(batch(), "<quantity>", id="a second header"),
    ],
)
def test_a_bad_line_never_costs_its_neighbours(bad: bytes, reason: str) -> None:
    checked = run(batch(GOOD, bad, GOOD, readings=2 + bad.count(b"\n")))
    assert checked.values == [412.5, 412.5]
    assert reason in checked.bad[0].reason
    assert checked.bad[0].line in bad
    assert checked.payload.endswith(GOOD + GOOD)
    assert checked.whole, "nothing is missing: it must not be asked for again"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"x" * (PAYLOAD_MAX_BYTES + 1), "the limit is 1048576", id="oversized"),
        pytest.param(b"\x00\x01\x02" * 1000, "two blanks", id="garbage"),
        pytest.param(
            batch(identity=Identity("s1", "n2")), "of s1/n2, the topic of s1/n1", id="another's header"
        ),
        pytest.param(
            b"edgeagent_batch,node=n1,site=s1 seq=1i 5\n", "lacks 'boot'", id="a header without boot"
        ),
        pytest.param(
            b'edgeagent_batch,node=n1,site=s1 boot="x",seq="y" 5\n', "not a whole number", id="half a header"
        ),
        pytest.param(b"edgeagent_batch,node=n1,site=s1\n", "not a header", id="a header without fields"),
    ],
)
def test_nothing_of_these_is_stored(payload: bytes, reason: str) -> None:
    checked = run(payload)
    assert checked.payload == b""
    assert reason in checked.bad[0].reason


@pytest.mark.parametrize("cut", range(1, 2 * len(GOOD) + len(line("7"))))
def test_a_truncated_batch_keeps_what_is_whole_and_says_so(cut: int) -> None:
    checked = run(batch(GOOD, GOOD, line("7"))[:-cut])
    if cut == 1:  # only the last newline is missing
        assert checked.whole and len(checked.values) == 3
    else:
        assert not checked.whole, "it must be asked for again"
        assert len(checked.values) < 3
        assert checked.payload.count(b"\n") == 1 + len(checked.values)


@pytest.mark.parametrize(
    "fields",
    [
        'boot="b",seq=1i,readings=1i,clock="synced",of_tomorrow=7i',
        'boot="b",seq=1i,readings=1i,clock="synced",of_tomorrow="text"',
        "boot=1i,seq=1i,readings=1i,clock=2i",
        'boot="b",seq="1",readings="1",clock="synced"',
    ],
)
def test_a_header_is_stored_in_one_form_only(fields: str) -> None:
    """A field of another type than the store has would make it refuse the whole write."""
    checked = run(f"edgeagent_batch,node=n1,site=s1 {fields} {T}\n".encode() + GOOD)
    assert checked.header is not None and checked.whole
    assert checked.payload == encode_header(checked.header).encode() + GOOD
    assert b"of_tomorrow" not in checked.payload


def test_a_header_of_another_year_is_not_stored() -> None:
    checked = run(batch(GOOD, time_ns=T + YEAR))
    assert checked.payload == GOOD
    assert "too far from now" in checked.bad[0].reason
    assert checked.header is not None, "its batch can be acknowledged"


def test_fewer_lines_than_announced_are_not_whole() -> None:
    assert not run(batch(GOOD, readings=2)).whole


def test_garbage_is_not_looked_at_for_long() -> None:
    checked = run(b"x y z\n" * 100_000)
    assert len(checked.bad) == module.BAD_LINES_MAX + 1
    assert checked.bad[-1].reason.endswith("not looked at: 99800")


def test_good_lines_are_found_behind_any_amount_of_garbage() -> None:
    checked = run(
        batch(b"x y z\n" * 5000, GOOD, b"\n" * 5000, line("7"), line(time=T + YEAR), readings=10_003)
    )
    assert checked.values == [412.5, 7.0]
    assert checked.whole
    assert len(checked.bad) == module.BAD_LINES_MAX + 1


def test_a_node_with_too_many_series_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SERIES_MAX", 2)
    lines = [line(head=f"power,channel=c{i},device=d,node=n1,site=s1") for i in range(4)]
    checked = run(batch(*lines))
    assert len(checked.values) == 2
    assert "more than 2 series" in checked.bad[0].reason


SCRAPS = ["\n", " ", "value=", "1", "-", ".5", "e3", "nan", "inf", "_", "=", ",", "\t", "\r"]
PIECES = st.sampled_from(
    [
        *(scrap.encode() for scrap in SCRAPS),
        b"\xff",
        b"power,channel=in,device=psu0,node=n1,site=s1",
        b"power,channel=in,device=psu0,node=n2,site=s1",
        *(str(stamp).encode() for stamp in (T, T + YEAR, f"0{T}"[:19], f"+{T}"[:19])),
        GOOD,
        line("2"),
    ]
)


@given(st.lists(PIECES, max_size=30).map(b"".join))
@example(b"A value=1\n10 B value=2 20\n")
@example(GOOD[:-1])
@example(line("1,") + line("2").replace(b"value=", b""))  # numbers that only together make a list
@example(line("1\n").replace(b" \n", b"\n") + line("2"))  # white space within a field
@example(line("[1]") + line("1]") + line("\t1") + line("1\r"))
def test_both_paths_agree_on_any_bytes(body: bytes) -> None:
    """Whatever the bulk operations accept, the strict decoder accepts too, line by line."""
    if body.startswith(b"edgeagent_batch"):
        return
    fast = module._bulk(body, ME, {}, WINDOW)
    slow = module._line_by_line(None, b"", body, [], ME, {}, WINDOW)
    if fast is None:
        return
    heads, values, stamps = fast
    assert not slow.bad or not body
    if body:
        assert (list(slow.heads), list(slow.values), list(slow.stamps)) == (heads, values, stamps)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(allow_nan=False, allow_infinity=False)), min_size=1)
)
def test_every_sound_batch_takes_the_fast_path(readings: list[tuple[str, float]]) -> None:
    lines = [
        line(repr(v), T + i, f"power,channel={c},device=d,node=n1,site=s1")
        for i, (c, v) in enumerate(readings)
    ]
    body = b"".join(lines)
    fast = module._bulk(body, ME, {}, WINDOW)
    assert fast is not None
    assert [v.hex() for v in fast[1]] == [v.hex() for _, v in readings]
