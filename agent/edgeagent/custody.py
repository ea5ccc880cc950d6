"""The rules by which an actuator gets back what it held before us, on its device's own thread.

The value found is on the disk before the first change. In the end it is set again, if the actuator is
still at a value of ours: what somebody else has set since is left alone, and told.
"""

from __future__ import annotations

from edgeagent.leases import Key
from edgeagent.originals import Original, Originals
from edgeagent.readback import Held, read_back, settled
from edgeagent.report import Report
from edgeagent_sdk.driver import Actuator
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity


class Custody:
    """Of one actuator that keeps what it is told.

    Args:
        retried: it was left changed by an earlier run of the agent, or could not be given back at first;
            its return is news then.
    """

    def __init__(self, key: Key, originals: Originals, report: Report, *, retried: bool = False) -> None:
        self._key, self._originals, self._report = key, originals, report
        self._of = originals.now(key.device)  # a call that hangs may come back when that is another device
        self._retried = retried

    def keep(self, actuator: Actuator, wanted: float) -> None:
        """To be called before `wanted` is set. Raises DriverError: then it must not be set."""
        original, step = self._originals.get(self._key, self._of), actuator.info.step
        if original and self._gone(original, actuator):
            original = None
        if original and wanted in original.ours:
            return
        now = read_back(actuator)
        if original is None:
            original = Original(now.value, [], self._originals.boot)
        # Until it is set, the value of before may still be ours; after a crash, either shows our hand.
        self._ours(original, [*(value for value in original.ours if now.is_(value, step)), wanted])

    def kept_as(self, held: Held) -> None:
        """What the device has made of what it was told, where that is something else."""
        if original := self._originals.get(self._key, self._of):
            self._ours(original, [*original.ours, held.value])

    def give_back(self, actuator: Actuator, fallback: float | None = None) -> Held:
        """Set the original again, or `fallback` for now; what it holds then.

        Raises:
            DriverError: it could not be done; try again.
        """
        original, step = self._originals.get(self._key, self._of), actuator.info.step
        if original is None:
            return read_back(actuator)
        now = settled(actuator, original.ours[-1])
        if self._gone(original, actuator):
            self._tell("actuator-left", f"is {now.value:g}: the machine has started afresh since")
        elif not any(now.is_(value, step) for value in (original.value, *original.ours)):
            who = now.by or "somebody else has set it"
            words = f"is {now.value:g} and does not get its {original.value:g} back: {who}"
            self._tell("actuator-left", words, Severity.WARNING)
        elif fallback is not None:
            self.keep(actuator, fallback)
            actuator.set(fallback)
            return settled(actuator, fallback)
        elif not now.is_(original.value, step):
            now = self._restore(original, actuator)
        self._originals.forget(self._key)
        return now

    def _gone(self, original: Original, actuator: Actuator) -> bool:
        """Whether a restart of the machine has undone what we made of it."""
        return original.boot != self._originals.boot and not actuator.survives_reboot

    def _restore(self, original: Original, actuator: Actuator) -> Held:
        actuator.set(original.value)
        held, step = settled(actuator, original.value), actuator.info.step
        if not held.is_(original.value, step) and any(held.is_(value, step) for value in original.ours):
            raise DriverError(f"was told to be {original.value:g} again, and stays at {held.value:g}")
        if self._retried:
            self._tell("actuator-restored", f"is {held.value:g} again, as it was found")
        return held

    def _ours(self, original: Original, ours: list[float]) -> None:
        if not set(ours) <= set(original.ours):
            self._originals.put(self._key, Original(original.value, ours, original.boot), self._of)

    def _tell(self, kind: str, words: str, severity: Severity = Severity.INFO) -> None:
        key = self._key
        data = {"actuator": key.actuator}
        self._report(kind, f"{key.actuator}: {words}", severity, device=key.device, data=data)
