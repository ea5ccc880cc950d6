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
        if original and original.driven is None and wanted in original.ours:
            return
        now = read_back(actuator)
        if original and original.driven:
            self._note(original, now, step, wanted)
            return
        if original is None:
            original = Original(now.value, [], self._originals.boot)
        # Until it is set, the value of before may still be ours; after a crash, either shows our hand.
        self._ours(original, [*(value for value in original.ours if now.is_(value, step)), wanted])

    def drive(self, actuator: Actuator, found: Held, wanted: float, *, must: bool = True) -> float:
        """To be called before `wanted` is set of one that is driven; what it is given back in the end.

        The disk is written the first time only: that it is driven, and within which limits. All between is
        ours.

        Args:
            must: else it will do, where the disk cannot, that we have it in mind.

        Raises:
            DriverError: it must not be set.
        """
        original, info = self._originals.get(self._key, self._of), actuator.info
        if original is None or self._gone(original, actuator):
            original = Original(found.value, [wanted], self._originals.boot)
        if original.driven is None:
            limits = (info.minimum, info.maximum)
            original = Original(original.value, [*original.ours, wanted], original.boot, limits)
            self._originals.put(self._key, original, self._of, must=must)
        self._note(original, found, info.step, wanted)
        return original.value

    def kept_as(self, held: Held) -> None:
        """What the device has made of what it was told, where that is something else."""
        original = self._originals.get(self._key, self._of)
        if original and original.driven:
            self._originals.note(self._key, [*original.ours, held.value], self._of)
        elif original:
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
        elif not self._is_ours(original, now, step):
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

    def _is_ours(self, original: Original, held: Held, step: float) -> bool:
        """Whether it is at a value that we may have left it at."""
        if original.driven and not self._originals.knows(self._key):
            lowest, highest = original.driven
            return lowest - step <= held.value <= highest + step
        return any(held.is_(value, step) for value in (original.value, *original.ours))

    def _gone(self, original: Original, actuator: Actuator) -> bool:
        """Whether a restart of the machine has undone what we made of it."""
        return original.boot != self._originals.boot and not actuator.survives_reboot

    def _restore(self, original: Original, actuator: Actuator) -> Held:
        actuator.set(original.value)
        held, step = settled(actuator, original.value), actuator.info.step
        if not held.is_(original.value, step) and self._is_ours(original, held, step):
            raise DriverError(f"was told to be {original.value:g} again, and stays at {held.value:g}")
        if self._retried:
            self._tell("actuator-restored", f"is {held.value:g} again, as it was found")
        return held

    def _note(self, original: Original, found: Held, step: float, wanted: float) -> None:
        """Before one that is driven is set: until it is, the value of before may still be ours."""
        before = [found.value] if self._is_ours(original, found, step) else []
        self._originals.note(self._key, [*before, wanted], self._of)

    def _ours(self, original: Original, ours: list[float]) -> None:
        if not set(ours) <= set(original.ours):
            self._originals.put(self._key, Original(original.value, ours, original.boot), self._of)

    def _tell(self, kind: str, words: str, severity: Severity = Severity.INFO) -> None:
        key = self._key
        data = {"actuator": key.actuator}
        self._report(kind, f"{key.actuator}: {words}", severity, device=key.device, data=data)
