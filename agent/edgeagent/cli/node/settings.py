"""Settings on a node: written under the key, read back, and locked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent.drivers.node.node import Node
    from edgeagent_sdk.nodemap import Block


def write_settings(node: Node, block: Block, values: dict[str, int]) -> None:
    """Write `values`, in counts, one by one.

    Raises:
        EdgeError: out of range, refused, or the node holds something else afterwards.
    """
    from edgeagent_sdk.nodemap import KEY_CONFIG

    node.unlock(KEY_CONFIG)
    try:
        for name, value in values.items():
            node.write(block, {name: value})
            if name == "slave_id":
                node.master.unit_id = value  # it answers to that from now on
        now = node.read(block)
    finally:
        node.unlock(0)
    for name, value in values.items():
        if now[name] != value:
            raise EdgeError(f"{name} is {now[name]} after {value} was written; is the node's storage well?")
