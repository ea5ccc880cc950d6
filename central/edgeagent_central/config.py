"""The aggregator's configuration: every key, its bounds and its documentation, in one place."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from edgeagent_central.stores.base import Store, StoreOptions
from edgeagent_sdk.config import Document, explain, read
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.names import NAME_PATTERN, slug
from edgeagent_sdk.plugins import STORES, installed, load
from edgeagent_sdk.topics import PREFIX


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


class CentralKeys(msgspec.Struct, kw_only=True, frozen=True):
    """The top level of central.toml, without the store."""

    replica: Annotated[
        str, _key("this aggregator's name among its replicas; by default the host's; keep it over restarts")
    ] = ""
    group: Annotated[
        str,
        _key(
            "replicas of one group split the load (MQTT shared subscription)",
            pattern=rf"^{NAME_PATTERN}$",
            title="a name out of a-z 0-9 _ . -",
        ),
    ] = "edgeagent"
    shared: Annotated[
        bool, _key("false where the broker knows no shared subscriptions; then run one replica")
    ] = True
    persistent: Annotated[
        bool,
        _key(
            "the broker keeps what comes while this aggregator is away; false with several replicas, or a "
            "dead one's share waits for it instead of going to the others (the agents send it again)"
        ),
    ] = True
    prefix: Annotated[
        str,
        _key("first level of every topic", pattern=r"^[^/+#\s]+$", title="a word without / + # and blanks"),
    ] = PREFIX
    listen: Annotated[str, _key("address of the HTTP API", pattern=r"^\S+:\d+$", title="host:port")] = (
        "127.0.0.1:8700"
    )
    state_dir: Annotated[str, _key("directory for dead letters")] = "/var/lib/edgeagent-aggregator"
    past_days: Annotated[float, _key("readings older than this are refused", gt=0)] = 180.0
    future_s: Annotated[float, _key("readings further ahead than this are refused", gt=0)] = 86400.0
    queue_max_bytes: Annotated[
        int, _key("batches held while the store is slow; beyond, the broker holds them", ge=1 << 20)
    ] = 64 << 20
    broker: Broker = Broker()


class CentralConfig(CentralKeys, kw_only=True, frozen=True):
    """All of central.toml."""

    store: type[Store]
    store_options: StoreOptions


def load_central(path: Path | None, overrides: Mapping[str, Any], store: Mapping[str, Any]) -> CentralConfig:
    """Read central.toml, if any; what the command line says goes before it.

    Args:
        overrides: top-level keys.
        store: keys of the ``[store]`` table.

    Raises:
        ConfigError: with every problem in the file.
    """
    document = read(path) if path else Document("the command line", {}, {})
    table = document.data | dict(overrides)
    chosen = table.pop("store", {}) if isinstance(table.get("store", {}), dict) else {}
    if "kind" in store and store["kind"] != chosen.get("kind"):
        chosen = {}  # the other keys were another store's
    found = _store(document, {"kind": "sqlite"} | chosen | dict(store))
    keys = document.bind(table, CentralKeys)
    if keys:
        try:
            keys.broker.address()
        except EdgeError as error:
            document.complain(("broker",), str(error))
    document.finish()
    assert keys is not None and found is not None
    fields = msgspec.structs.asdict(keys) | {"replica": keys.replica or slug(platform.node(), "aggregator")}
    return CentralConfig(**fields, store=found[0], store_options=found[1])


def explain_central() -> Iterator[dict[str, str]]:
    """Every key of central.toml: its type, default and meaning; at the end those of each store."""
    yield from explain(CentralKeys)
    kinds = " or ".join(f'"{name}"' for name in installed(STORES))
    yield {"key": "store.kind", "type": kinds, "default": '"sqlite"', "meaning": "what kind of store"}
    for name in installed(STORES):
        for row in explain(load(STORES, name).Options, "store."):
            yield row | {"meaning": f"{row['meaning']} (store {name})"}


def _store(document: Document, table: dict[str, Any]) -> tuple[type[Store], StoreOptions] | None:
    try:
        kind: type[Store] = load(STORES, str(table.pop("kind")))
    except EdgeError as error:
        document.complain(("store", "kind"), str(error))
        return None
    options = document.bind(table, kind.Options, ("store",))
    return (kind, options) if options is not None else None
