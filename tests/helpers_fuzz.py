"""Damage to files, many times over and the same every time: what fuzz tests share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

WAYS = ("bytes", "header", "cut", "hole", "doubled", "inserted", "zeroed")


def damaged(content: bytes, rng: np.random.Generator, way: str, header: int = 256) -> bytes:
    """``content`` damaged in one of :data:`WAYS`; ``header`` bytes count as its header."""
    data = bytearray(content)
    begin, end = np.sort(rng.integers(0, len(data), 2))
    if way in ("bytes", "header"):
        size = len(data) if way == "bytes" else min(header, len(data))
        for position in rng.integers(0, size, rng.integers(1, 9)):
            data[position] = rng.integers(0, 256)
    elif way == "cut":
        del data[begin:]
    elif way == "hole":
        del data[begin : begin + (end - begin) // 4]
    elif way == "doubled":
        data[begin:begin] = data[begin : begin + (end - begin) // 4]
    elif way == "inserted":
        data[begin:begin] = rng.integers(0, 256, rng.integers(1, 2000), dtype=np.uint8).tobytes()
    elif way == "zeroed":
        data[begin : begin + (end - begin) // 4] = bytes((end - begin) // 4)
    return bytes(data)


def damages(contents: dict[str, bytes], n: int, seed: int = 0) -> Iterator[tuple[str, str, bytes]]:
    """``n`` damaged files: name, way, bytes; every file in every way in turn."""
    rng = np.random.default_rng(seed)
    names = list(contents)
    for i in range(n):
        name, way = names[i % len(names)], WAYS[i // len(names) % len(WAYS)]
        yield name, way, damaged(contents[name], rng, way)
