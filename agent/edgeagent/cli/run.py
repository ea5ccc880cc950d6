"""`edgeagent run`: the agent of this machine, in the foreground."""

from __future__ import annotations

import os
import sys

from edgeagent.cli import options


def run(config: options.Config = None) -> None:
    """Run the agent: read this machine's sensors and send what they say.

    SIGTERM and Ctrl-C end it within 5 s, with every reading on the disk; SIGHUP reloads the configuration.
    """
    from edgeagent.config import load_config
    from edgeagent_sdk.mqtt import try_broker

    path = options.find_config(config)
    settings = load_config(path)
    try:
        try_broker(settings.broker, f"edge-check-{settings.site}-{settings.node}-{os.getpid()}")
    except ConnectionError as error:
        print(f"edgeagent: {error}; readings wait on the disk until then", file=sys.stderr)
    # The process becomes the lean daemon: what this command needed leaves the memory.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "edgeagent.daemon", "--config", str(path)])
