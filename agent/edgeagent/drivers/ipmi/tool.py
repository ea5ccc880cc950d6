"""Running `ipmitool`: the password in its environment, a limit to its time, its complaints in our words."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edgeagent.drivers.ipmi.options import IpmiOptions
from edgeagent_sdk.errors import DriverError

INSTALL: Final = "apt install ipmitool"

#: What ipmitool writes when it fails → what that means, and what to do; the first that is found counts.
_COMPLAINTS: Final = (
    ("RAKP 2 HMAC is invalid", "the password is wrong", "check the password"),
    ("unauthorized name", "the BMC does not know this user", "check username, and its access over LAN"),
    ("unauthorized role", "the user has no such privilege", "lower privilege, or raise the user's"),
    ("because: Insufficient privilege", "the user's privilege is too low", "raise privilege"),
    ("because: Invalid command", "the BMC does not know this command", ""),
    ("no matching cipher suite", "the BMC takes no cipher suite that we have", "set cipher, e.g. to 3"),
    ("invalid authentication algorithm", "the BMC does not take this cipher suite", "set another cipher"),
    ("Address lookup for", "no such host", "check address"),
    ("Get Auth Capabilities error", "no answer", "check address and port, and that IPMI over LAN is on"),
    ("Get Channel Authentication", "no answer", "check address and port, and that IPMI over LAN is on"),
    ("Permission denied", "/dev/ipmi0: permission denied", "run the agent as root"),
    ("Could not open device", "/dev/ipmi0 cannot be opened", "modprobe ipmi_si ipmi_devintf; as root"),
)


#: A login that failed is tried again no sooner.
_REFUSED_RETRY_S = 300.0

#: How ipmitool begins to tell that the BMC has answered, and said no.
_NO = "request failed because"


class Refused(DriverError):
    """The BMC answers, but does not do this. `unknown`: it does not know what that is."""

    unknown = False


class Tool:
    """Runs of ipmitool against one BMC, from any thread."""

    def __init__(self, options: IpmiOptions) -> None:
        self._options = options
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",  # where it would look for a list of vendors
            "LC_ALL": "C",
            "IPMI_PASSWORD": options.secret(),
        }
        self._files = tempfile.TemporaryDirectory(prefix="edgeagent-ipmi-", ignore_cleanup_errors=True)
        self._directory = Path(self._files.name)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False
        self._repository: list[str] = []

    @property
    def where(self) -> str:
        """The BMC, for people."""
        return self._options.address or "/dev/ipmi0"

    def keep_repository(self) -> None:
        """Fetch the list of sensors once: each later run takes it from there, and is that much faster."""
        path = self._directory / "sdr"
        self.run("sdr", "dump", str(path))
        if path.exists():
            self._repository = ["-S", str(path)]

    def script(self, *lines: str) -> str:
        """Several commands in one session; what they print. Raises as `run`, unless they print anything."""
        path = self._directory / "script"
        path.write_text("".join(f"{line}\n" for line in lines))
        return self.run("-c", "exec", str(path), partly=True)

    def run(self, *words: str, partly: bool = False) -> str:
        """One command; what it prints.

        Args:
            partly: whatever is printed is good, though some of it failed.

        Raises:
            Refused: by the BMC.
            DriverError: it failed, with ipmitool's reason.
        """
        code, output, complaint = self._run([*self._base(), *words])
        if code and not (partly and output.strip()):
            raise self._failure(complaint)
        return output

    def end(self) -> None:
        """Stop what runs, and remove the files."""
        with self._lock:
            self._ended = True
            for child in self._running:
                child.kill()
        self._files.cleanup()

    def _base(self) -> list[str]:
        options = self._options
        command = ["ipmitool", "-v", *self._repository]
        if not options.address:
            return [*command, "-I", "open"]
        reach = ["-I", "lanplus", "-H", options.address, "-p", str(options.port), "-E"]
        user = ["-U", options.username] if options.username else []
        cipher = ["-C", str(options.cipher)] if options.cipher >= 0 else []
        return [*command, *reach, *user, *cipher, "-L", options.privilege.upper()]

    def _run(self, command: Sequence[str]) -> tuple[int, str, str]:
        pipe = subprocess.PIPE
        with self._lock:
            if self._ended:
                raise DriverError(f"{self.where}: closed")
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=pipe,
                    stderr=pipe,
                    env=self._environment,
                    text=True,
                    errors="replace",
                )
            except OSError as error:
                reason = "is not installed" if error.errno == 2 else (error.strerror or "").lower()
                raise DriverError(f"ipmitool {reason}", INSTALL) from None
            self._running.add(child)
        try:
            output, complaint = child.communicate(timeout=self._options.timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise DriverError(
                f"{self.where}: no answer within {self._options.timeout_s:g} s",
                "raise timeout_s if it is slow",
            ) from None
        finally:
            with self._lock:
                self._running.discard(child)
        return child.returncode, output, complaint + output

    def _failure(self, complaint: str) -> DriverError:
        said = [line.strip() for line in complaint.splitlines() if line.strip()]
        unknown = ("", f"ipmitool failed: {said[-1] if said else 'without a word'}", "")
        _, meaning, remedy = next((row for row in _COMPLAINTS if row[0] in complaint), unknown)
        if _NO in complaint:
            refused = Refused(f"{self.where}: {meaning}", remedy)
            refused.unknown = "Invalid command" in complaint.partition(_NO)[2]
            return refused
        # BMCs lock an account after a few wrong passwords.
        retry_s = _REFUSED_RETRY_S if "RAKP" in complaint else None
        return DriverError(f"{self.where}: {meaning}", remedy, retry_s=retry_s)
