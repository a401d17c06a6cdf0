"""The cheapest path through a row of states: what keys, clefs, dynamics and divisions of beats have in common."""

from __future__ import annotations

import numpy as np


def cheapest_path(cost: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Viterbi search -> ``(n,)`` the state of each step.

    Args:
        cost: ``(n, states)`` of each state at each step, n >= 1.
        change: ``(states, states)`` of going to a state (rows) from another (columns).
    """
    value, came = cost[0].copy(), np.zeros(cost.shape, int)
    for step in range(1, len(cost)):
        ways = value[None, :] + change
        came[step] = ways.argmin(1)
        value = ways.min(1) + cost[step]
    chosen = np.full(len(cost), int(value.argmin()))
    for step in range(len(cost) - 1, 0, -1):
        chosen[step - 1] = came[step, chosen[step]]
    return chosen
