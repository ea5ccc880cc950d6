"""The keys of site.toml, with their bounds and documentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgeagent_sdk.names import NAME_PATTERN


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


_Positive = Annotated[float, msgspec.Meta(gt=0)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Name = Annotated[str, msgspec.Meta(pattern=rf"^{NAME_PATTERN}$", title="a name out of a-z 0-9 _ . -")]


class _Table(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    pass


class BreakerKeys(_Table, frozen=True):
    """A circuit breaker; the domain carries its rating for ever, and less while the breaker is hot."""

    rated_a: Annotated[float, _key("rated current", gt=0)]
    voltage_v: Annotated[float, _key("line to neutral; line to line without one", gt=0)] = 230.0
    phases: Annotated[int, _key("poles that carry the load", ge=1, le=3)] = 3
    power_factor: Annotated[float, _key("of the load", gt=0, le=1)] = 0.98
    curve: Annotated[
        Literal["iec-c", "iec-d", "iec-mccb"], _key("characteristic: IEC 60898-1 C or D, IEC 60947-2")
    ] = "iec-c"


class BatteryKeys(_Table, frozen=True):
    """A battery at a domain's input; between the domain and its load."""

    power_kw: Annotated[float, _key("most that it takes or gives", gt=0)]
    capacity_kwh: Annotated[float, _key("energy when full", gt=0)]
    reserve_kwh: Annotated[float, _key("kept for outages", ge=0)] = 0.0
    efficiency: Annotated[float, _key("of charging, and again of discharging", gt=0.5, le=1)] = 0.96
    charge: Annotated[str, _key("its setpoint: node/device/actuator, in W; negative discharges")] = ""
    stored: Annotated[str, _key("its state: node/device/channel, energy in J or charge as a share")] = ""


class FeedKeys(_Table, frozen=True):
    """One of several feeds of a domain."""

    name: Annotated[_Name, _key("A, B, …")]
    limit_kw: Annotated[float, _key("what it may carry", gt=0)]


class DomainKeys(_Table, frozen=True):
    """A power domain: a contract, a transformer, a UPS, a PDU, a rack."""

    name: Annotated[_Name, _key("one name in the whole file")]
    parent: Annotated[_Name | None, _key("the domain that feeds it; the one without is the root")] = None
    limit_kw: Annotated[_Positive | None, _key("what it may carry; none: what its breaker and feeds may")] = (
        None
    )
    breaker: Annotated[BreakerKeys | None, _key("its circuit breaker")] = None
    feeds: Annotated[tuple[FeedKeys, ...], _key("its feeds, where it has several")] = ()
    redundancy: Annotated[
        Literal["n-1", "none"],
        _key("n-1: without the largest feed the others still carry all; none: the feeds share the load"),
    ] = "n-1"
    ramp_up_kw_per_s: Annotated[_Positive | None, _key("how fast it may rise, by contract")] = None
    ramp_down_kw_per_s: Annotated[_Positive | None, _key("how fast it may fall")] = None
    battery: Annotated[BatteryKeys | None, _key("its battery")] = None
    diversity: Annotated[
        bool,
        _key(
            "true where many loads come together: they are reckoned at what they are likely to draw in all, "
            "with a learned margin, and not at the sum of their caps"
        ),
    ] = False
    meter: Annotated[str, _key("what it draws: node/device/channel of quantity power")] = ""


class ComponentKeys(_Table, frozen=True):
    """A part of a server that can be held by itself."""

    name: Annotated[_Name, _key("gpu0, package-1, memory")]
    cap: Annotated[str, _key("device/actuator that limits its power, in W")]
    power: Annotated[str, _key("device/channel of what it draws")]
    min_w: Annotated[float, _key("the lowest that it can be held to", ge=0)]
    max_w: Annotated[float, _key("the highest; also the most that it draws", gt=0)]
    idle_w: Annotated[float, _key("drawn without work", ge=0)] = 0.0
    fallback_w: Annotated[
        _NotNegative | None, _key("where the node puts it when a lease ends; none: max_w")
    ] = None
    clock: Annotated[str, _key("device/actuator that limits its clock, in Hz; none: it cannot be locked")] = (
        ""
    )
    clock_max_hz: Annotated[float, _key("its highest clock", ge=0)] = 0.0
    clock_now: Annotated[str, _key("device/channel of its clock")] = ""


class ServerKeys(_Table, frozen=True):
    """One server, or several alike: `name` with a range in brackets, as in n[001-032]."""

    name: Annotated[str, _key("the node's name; n[001-032] stands for 32 of them")]
    domain: Annotated[_Name, _key("the domain that feeds it")]
    work: Annotated[str, _key("class of its work: a profile's name")] = "batch"
    priority: Annotated[int, _key("each step up counts twice as much", ge=1, le=9)] = 1
    other_w: Annotated[float, _key("what it draws beside its components: fans, disks, board", ge=0)] = 0.0
    component: Annotated[tuple[ComponentKeys, ...], _key("what can be held in it")] = ()


class ProfileKeys(_Table, frozen=True):
    """Throughput against power of a class of work."""

    name: Annotated[_Name, _key("what `work` of servers refers to")]
    x: Annotated[tuple[float, ...], _key("power above idle, as shares of what the work would draw")]
    work: Annotated[tuple[float, ...], _key("done there, as a share")]
    steady: Annotated[bool, _key("its servers change in step with one another: a synchronous job")] = False


class SiteKeys(_Table, frozen=True):
    """All of site.toml."""

    site: Annotated[_Name, _key("the site in the topics of its nodes")]
    domain: Annotated[tuple[DomainKeys, ...], _key("the power domains")]
    server: Annotated[tuple[ServerKeys, ...], _key("the servers")]
    profile: Annotated[tuple[ProfileKeys, ...], _key("classes of work beside those that come with us")] = ()
    energy_price: Annotated[
        float, _key("what a watt must at least do, as useful watts; above 0 it saves energy", ge=0, lt=1)
    ] = 0.0
