"""The live view: which nodes it shows, and how."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from edgeagent.cli.feed import Feed, FeedError, Latest, Node
from edgeagent.cli.screen import Screen, line, seconds, total


class Made(Feed):
    """A feed of made-up nodes."""

    def __init__(self, count: int) -> None:
        super().__init__("http://127.0.0.1:1")
        self.count = count
        self.asked: list[str] = []
        self.broken = False

    def nodes(self) -> list[Node]:
        if self.broken:
            raise FeedError("it is gone")
        return [Node(site="s", node=f"n{i:04}", status="online", readings=i) for i in range(self.count)]

    def detail(self, node: Node) -> Node:
        self.asked.append(node.name)
        node.latest = [
            Latest(quantity=quantity, device=device, channel=f"c{i:02}", value=float(i))
            for device, quantity in (("agent", "power"), ("d", "load"), ("d", "power"))
            for i in range(20)
        ]
        return node


def drawn(screen: Screen, height: int = 30) -> list[str]:
    console = Console(file=StringIO(), width=120, height=height)
    screen.fetch(max(1, height // 2 - 6))
    with console.capture() as captured:
        console.print(screen.picture(height))
    return captured.get().rstrip().splitlines()


@pytest.mark.parametrize("height", [12, 24, 30, 60, 200])
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_it_fits_the_terminal(height: int, count: int) -> None:
    lines = drawn(Screen(Made(count), "the title"), height)
    assert len(lines) <= height
    assert lines[0] == "the title"


def test_the_chosen_node_is_shown_wherever_it_is() -> None:
    feed = Made(500)
    screen = Screen(feed, "")
    for at in range(0, 60, 7):
        feed.asked.clear()
        lines = drawn(screen)
        assert any(f"s/n{at:04}" in text for text in lines), at
        assert len(feed.asked) < 20, "only what is shown is asked for"
        screen.move(7)
    screen.move(10_000)
    assert any("s/n0499" in text for text in drawn(screen))
    screen.move(-10_000)
    assert any("s/n0000" in text for text in drawn(screen))


def test_power_and_heat_come_first_and_the_agent_last() -> None:
    lines = drawn(Screen(Made(1), ""), 90)
    rows = [text.split()[0:3] for text in lines if " c0" in text or " c1" in text]
    order = [(device, quantity) for device, _, quantity in rows]
    assert list(dict.fromkeys(order)) == [("d", "power"), ("d", "load"), ("agent", "power")]


def test_an_aggregator_that_goes_is_told_and_the_last_picture_stays() -> None:
    feed = Made(2)
    screen = Screen(feed, "")
    drawn(screen)
    feed.broken = True
    text = "\n".join(drawn(screen))
    assert "it is gone" in text
    assert "s/n0001" in text


@pytest.mark.parametrize(
    ("age_s", "words"),
    [(None, None), (0.04, "0.0 s"), (119.0, "119.0 s"), (120.0, "2 min"), (7200.0, "2 h"), (172800.0, "2 d")],
)
def test_ages(age_s: float | None, words: str | None) -> None:
    assert seconds(age_s) == words


def test_lines() -> None:
    node = Node(
        site="s", node="n", status="online", readings=1234, age_s=0.5, rate_per_s=9.96, outbox=3.0, gaps=1
    )
    assert line(node) == "s/n online: 1,234 readings stored, the newest 0.5 s old, 10.0/s, outbox 3, 1 gaps"
    assert line(Node(site="s", node="n", status="offline")) == "s/n offline: 0 readings stored, 0.0/s"
    assert total([node, Node(site="s", node="m")]) == (
        "2 nodes, 1 online, 10.0 readings/s, 1,234 stored, 1 gaps"
    )
