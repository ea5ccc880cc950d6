"""The power optimizer on real agents: limits and orders are kept, whoever dies, freezes or lies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgeagent_sdk.publisher import Publisher
from tests.powersite import FALLBACK_W, LEASE_S, MAX_W, PowerSite, ask, leads, power_site
from tests.services import Service, wait_until

pytestmark = pytest.mark.slow

_COUNT = 3
_LIMIT_W = 360.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerSite]:
    with power_site(tmp_path_factory.mktemp("site"), _COUNT) as made:
        yield made


@pytest.fixture(autouse=True)
def calm(site: PowerSite) -> Iterator[None]:
    """Each test begins with a plain topology, and ends with every lease over."""
    site.configure(_LIMIT_W / 1e3)
    yield
    for node in site.nodes:
        site.fleet.release("lab", node, "cpu", "package-0-long_term")


def _in_charge(optimizer: Service) -> None:
    wait_until(lambda: leads(optimizer), f"{optimizer.name} is in charge", 30)


def _caps_sum_below(site: PowerSite, limit_w: float) -> bool:
    return sum(site.caps_w) <= limit_w + 0.01


def test_the_limit_is_kept_an_order_is_obeyed_and_a_killed_optimizer_leaves_fallbacks(
    site: PowerSite,
) -> None:
    assert sum(site.caps_w) == _COUNT * MAX_W and site.power_w > _LIMIT_W, "it would be passed"
    with site.optimizer() as optimizer:
        _in_charge(optimizer)
        wait_until(lambda: _caps_sum_below(site, _LIMIT_W), "the caps fit the limit", 15)
        wait_until(lambda: sum(site.caps_w) > 0.95 * _LIMIT_W, "and use it", 15)
        assert {site.holds(node)["by"] for node in site.nodes} == {"optimizer-power"}

        order = ask(optimizer, "/v1/orders", "POST", {"by": 0.3, "for_s": 600})
        assert order["target_w"] < 0.85 * _LIMIT_W and order["note"] == ""
        low_w = 1.01 * order["target_w"]  # its baseline is taken a second later
        wait_until(lambda: _caps_sum_below(site, low_w) and site.power_w <= low_w, "the target", 10)
        until_s = time.monotonic() + 3
        while time.monotonic() < until_s:
            assert _caps_sum_below(site, low_w)
            time.sleep(0.1)
        (report,) = ask(optimizer, "/v1/orders")
        assert report["delivered_share"] > 0.15 and report["baseline_w"] > order["target_w"]
        # Half a second of RAPL's counter against a plant in steps of a tenth: some per cent of noise.
        assert report["worst_above_w"] < 0.1 * order["target_w"]

        decision = ask(optimizer, "/v1/decisions?count=1")[0]
        assert decision["binding"][0]["domain"] == "root" and decision["binding"][0]["price_per_w"] > 0
        plan = ask(optimizer, "/v1/plans")
        assert len(plan["leaves"]) == _COUNT and all(leaf["answers"] for leaf in plan["leaves"])

        optimizer.kill()
        wait_until(lambda: site.caps_w == [FALLBACK_W] * _COUNT, "the leases end", LEASE_S + 10)

    with site.optimizer() as again:  # it has the order still
        assert [row["id"] for row in ask(again, "/v1/orders")] == [order["id"]]
        _in_charge(again)
        wait_until(lambda: site.caps_w != [FALLBACK_W] * _COUNT, "new caps", 15)
        assert _caps_sum_below(site, low_w)
        assert ask(again, f"/v1/orders/{order['id']}", "DELETE")["id"] == order["id"]
        wait_until(lambda: sum(site.caps_w) > 0.95 * _LIMIT_W, "the order is taken back", 20)
    lines = (site.home / "first" / "decisions.jsonl").read_text().splitlines()
    assert all("how" in json.loads(line) or json.loads(line)["objection"] for line in lines)


class _Both:
    """Looks all the time whether two are in charge."""

    def __init__(self, optimizers: list[Service]) -> None:
        self.twice = 0
        self._optimizers = optimizers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.twice += sum(leads(each) for each in self._optimizers) > 1

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def test_fallbacks_that_do_not_fit_are_told_at_its_start(site: PowerSite) -> None:
    site.configure(0.22)
    with site.optimizer("warned") as optimizer:
        log = optimizer.log.read_text("utf-8")
    assert "its servers fall back to 0.27 kW, above its 0.22 kW; lower fallback_w" in log


def test_of_two_one_leads_whatever_befalls_it(site: PowerSite) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(site.optimizer("one"))
        two = stack.enter_context(site.optimizer("two"))
        wait_until(lambda: leads(one) or leads(two), "one is in charge", 30)
        leader, other = (one, two) if leads(one) else (two, one)
        assert not leads(other) and "stands by for" in ask(other, "/healthz")["role"]
        wait_until(lambda: _caps_sum_below(site, _LIMIT_W), "the caps fit", 15)

        order = ask(leader, "/v1/orders", "POST", {"to_w": 300.0, "for_s": 600})
        wait_until(lambda: [o["id"] for o in ask(other, "/v1/orders")] == [order["id"]], "both know it", 10)
        wait_until(lambda: _caps_sum_below(site, 300.0), "it is obeyed", 15)
        leader.pause()
        wait_until(lambda: leads(other), "the other takes over from one that is frozen", 30)
        leader.resume()
        assert not leads(leader), "it knows that its time was over"
        assert _caps_sum_below(site, 300.0)
        watch = _Both([leader, other])
        try:
            time.sleep(2)
            assert leads(other) and not leads(leader)
            site.broker.restart()
            wait_until(lambda: leads(one) or leads(two), "one leads after the broker's restart", 40)
            first, second = (one, two) if leads(one) else (two, one)
            wait_until(lambda: _caps_sum_below(site, _LIMIT_W), "the caps fit", 30)
            first.kill()
            wait_until(lambda: leads(second), "the other takes over from one that was killed", 30)
        finally:
            watch.end()
        assert watch.twice == 0
        until_s = time.monotonic() + LEASE_S
        while time.monotonic() < until_s:
            assert _caps_sum_below(site, 300.0), "also who leads now obeys the order"
            time.sleep(0.1)
        ask(second, f"/v1/orders/{order['id']}", "DELETE")
        assert second.stop() == 0


def test_who_leaves_in_order_is_followed_at_once(site: PowerSite) -> None:
    with site.optimizer("one") as one:
        _in_charge(one)
        with site.optimizer("two") as two:
            wait_until(lambda: "stands by" in ask(two, "/healthz")["role"], "it knows the leader", 10)
            assert one.stop() == 0
            wait_until(lambda: leads(two), "at once", 5)


def test_lies_are_not_believed_and_room_is_kept_for_who_does_not_answer(site: PowerSite) -> None:
    liars = "".join(
        f'[[server]]\nname = "{name}"\ndomain = "root"\n[[server.component]]\nname = "cpu"\n'
        'cap = "cpu/limit"\n'
        'power = "cpu/package-0"\nmin_w = 10\nmax_w = 40\nfallback_w = 20\n'
        for name in ("huge", "negative", "early", "late", "absent")
    )
    site.configure((_LIMIT_W + 5 * 40) / 1e3, more=liars)
    now_ns = time.time_ns()
    told = {
        "huge": (1e7, 0, "reads more than it can be"),
        "negative": (-50.0, 0, "reads less than nothing"),
        "early": (30.0, 3600 * 10**9, "stamped ahead"),
        "late": (30.0, -60 * 10**9, "too old"),
    }
    with ExitStack() as stack:
        optimizer = stack.enter_context(site.optimizer("lies"))
        publishers = {
            name: stack.enter_context(Publisher(site.broker.url, site="lab", node=name)) for name in told
        }

        def publish() -> None:
            for name, (value, ahead_ns, _) in told.items():
                stamp_ns = now_ns + ahead_ns if name == "late" else time.time_ns() + ahead_ns
                publishers[name].put(
                    "power", device="cpu", channel="package-0", value=value, time_ns=stamp_ns
                )

        def seen() -> bool:
            publish()
            time.sleep(0.5)
            log = optimizer.log.read_text()
            return all(
                f"{name}/cpu/package-0 (power): " in log and why in log for name, (_, _, why) in told.items()
            )

        _in_charge(optimizer)
        wait_until(seen, "each lie is told", 30)
        wait_until(lambda: _caps_sum_below(site, _LIMIT_W), "room is kept for what they may draw", 20)
        wait_until(lambda: sum(site.caps_w) > 0.95 * _LIMIT_W, "and not for what they say", 20)
        leaves = {row["leaf"]: row for row in ask(optimizer, "/v1/plans")["leaves"]}
        for name in (*told, "absent"):
            assert not leaves[f"{name}/cpu"]["fresh"] and not leaves[f"{name}/cpu"]["answers"]
            assert leaves[f"{name}/cpu"]["cap_w"] == 40.0
        log = optimizer.log.read_text()
        assert log.count("huge/cpu/package-0 (power): reads more") == 1
        told_of = "absent: does not answer; room is kept"
        wait_until(lambda: told_of in optimizer.log.read_text(), "who never answers is told of", 15)


def test_a_node_that_falls_silent_keeps_its_room_until_it_is_back(site: PowerSite) -> None:
    with site.optimizer("silent") as optimizer:
        _in_charge(optimizer)
        wait_until(lambda: _caps_sum_below(site, _LIMIT_W), "the caps fit", 15)
        site.agents["n2"].pause()
        held_w = site.caps_w[1]

        def kept() -> bool:
            leaf = ask(optimizer, "/v1/plans")["leaves"][1]
            return not leaf["answers"] and bool(leaf["cap_w"] >= max(held_w, FALLBACK_W) - 0.01)

        wait_until(kept, "room for it", 20)
        for _ in range(20):
            assert _caps_sum_below(site, _LIMIT_W)
            time.sleep(0.1)
        site.agents["n2"].resume()
        wait_until(lambda: ask(optimizer, "/v1/plans")["leaves"][1]["answers"], "it is back", 30)


def test_without_the_aggregator_nothing_is_fresh_and_the_limit_is_kept(
    site: PowerSite, tmp_path: Path
) -> None:
    with site.optimizer("blind") as optimizer:
        _in_charge(optimizer)
        wait_until(lambda: _caps_sum_below(site, _LIMIT_W), "the caps fit", 15)
        site.aggregator.pause()
        wait_until(lambda: not any(r["fresh"] for r in ask(optimizer, "/v1/plans")["leaves"]), "stale", 20)
        for _ in range(20):
            assert _caps_sum_below(site, _LIMIT_W)
            time.sleep(0.1)
        site.aggregator.resume()
        wait_until(lambda: all(r["fresh"] for r in ask(optimizer, "/v1/plans")["leaves"]), "fresh", 20)
