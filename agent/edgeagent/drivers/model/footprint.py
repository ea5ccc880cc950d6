"""Gives back memory that only loading needed: a runtime's code for operators that the model has not."""

from __future__ import annotations

from collections.abc import Iterator

#: madvise(2): what is not written to is read from its file again when it is needed again.
_MADV_DONTNEED = 4


def release_code() -> None:
    """Let go of the machine code that is mapped; what an inference takes comes back with the next one.

    Loading a model touches most of onnxruntime: with a model of 0.4 million weights 59 MB are resident
    after it, 43 MB after this and a hundred inferences; the first one takes 0.5 ms more (x86-64).
    """
    import ctypes  # numpy has it already

    madvise = ctypes.CDLL(None).madvise
    for begin, end in _clean_code():
        madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)


def _clean_code() -> Iterator[tuple[int, int]]:
    """Mappings of code out of files, none of it changed since: see proc(5), smaps."""
    place = None
    try:
        with open("/proc/self/smaps") as file:  # noqa: PTH123 - pathlib is not worth its memory here
            lines = file.readlines()
    except OSError:
        return
    for line in lines:
        name, *rest = line.split()
        if not name.endswith(":"):
            is_code = rest[0] == "r-xp" and rest[-1].startswith("/")
            place = tuple(int(address, 16) for address in name.split("-")) if is_code else None
        elif name == "Private_Dirty:" and place and rest[0] == "0":
            yield place[0], place[1]
