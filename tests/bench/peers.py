"""The programs that people use today, doing the same work on the same tree."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services import Service, free_port, need, spawn

COLLECTD = "collectd (table → mqtt, QoS 1)"
NODE_EXPORTER = "node_exporter (scraped)"

_COLLECTD_CONFIG = """
Hostname "peer"
FQDNLookup false
Interval {interval_s}
BaseDir "{home}"
PIDFile "{home}/collectd.pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin table
LoadPlugin mqtt
<Plugin table>
{tables}
</Plugin>
<Plugin mqtt>
  <Publish "out">
    Host "127.0.0.1"
    Port "{port}"
    ClientId "collectd"
    Prefix "collectd"
    QoS 1
    StoreRates false
  </Publish>
</Plugin>
"""

_COLLECTD_TABLE = """
  <Table "{file}">
    Plugin "hwmon"
    Instance "{chip}"
    Separator " "
    <Result>
      Type "temperature"
      InstancePrefix "{input}"
      ValuesFrom 0
    </Result>
  </Table>"""


@contextmanager
def collectd(
    directory: Path, files: Sequence[Path], broker: Service, *, interval_s: float = 1.0
) -> Iterator[Service]:
    """collectd reading `files` and publishing each value to `broker`, QoS 1, under ``collectd/``."""
    home = directory / "collectd"
    home.mkdir()
    tables = "".join(
        _COLLECTD_TABLE.format(file=file, chip=file.parent.name, input=file.name) for file in files
    )
    config = home / "collectd.conf"
    config.write_text(
        _COLLECTD_CONFIG.format(interval_s=interval_s, home=home, tables=tables, port=broker.port)
    )
    command = [need("collectd", "collectd-core"), "-f", "-C", str(config)]
    with spawn(command, home, name="collectd") as service:
        yield service


class Scraper:
    """Fetches a page of metrics at fixed times, as Prometheus would, and counts its samples."""

    def __init__(self, url: str, interval_s: float) -> None:
        self.samples = 0
        self._url, self._interval_s = url, interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._ended.wait(max(0.0, due_s - time.monotonic())):
            due_s += self._interval_s
            with urllib.request.urlopen(self._url, timeout=10) as answer:
                self.samples += answer.read().count(b"\nnode_hwmon_temp_celsius{")


@contextmanager
def node_exporter(
    directory: Path, root: Path, *, interval_s: float = 1.0
) -> Iterator[tuple[Service, Scraper]]:
    """node_exporter on the tree under `root`, with nothing but its hwmon collector, being scraped."""
    port = free_port()
    command = [
        need("prometheus-node-exporter", "prometheus-node-exporter"),
        f"--web.listen-address=127.0.0.1:{port}",
        f"--path.sysfs={root}/sys",
        f"--path.procfs={root}/proc",
        "--collector.disable-defaults",
        "--collector.hwmon",
        "--web.disable-exporter-metrics",
    ]
    with spawn(command, directory, name="node_exporter", port=port) as service:
        scraper = Scraper(f"{service.url}/metrics", interval_s)
        try:
            yield service, scraper
        finally:
            scraper.stop()
