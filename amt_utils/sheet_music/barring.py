"""Finds the beats that begin a bar, and each bar's time signature: Viterbi over (time signature, beat of the bar).

The score of a path is the sum of the networks' log odds of its downbeats and log probabilities of its time signatures,
minus a cost for each change of time signature and for each bar of irregular length, which gets its own signature.
"""

from __future__ import annotations

import numpy as np

from .divisions import prefer_threes
from .events import Events, nearest_events
from .evidence import Evidence
from .metre import Metre
from .note_network import METRES

DOWNBEAT, METRE = 0.4, 0.1  # weights of the note network's downbeat and time signature
BARS, SURE = 1.0, 4.0  # weight of the bar network's log odds, and the nats they are clipped to
# weights of accents as evidence of a downbeat, as in events.ACCENTS: size, bass, length, wait, loudness, harmony
ACCENT = 0.4 * np.array([-0.18, 1.18, 1.51, 0.1, 1.02, 1.0])
CHANGE, IRREGULAR = 12.0, 9.0  # costs in nats: a change of time signature; a bar of irregular length
# share of the training compositions in each time signature; USUAL weights its log, as beats are not independent
SHARES = {(2, 4): 0.15, (3, 4): 0.21, (4, 4): 0.35, (2, 2): 0.08, (3, 8): 0.04, (6, 8): 0.14, (9, 8): 0.03,
          (12, 8): 0.05}  # fmt: skip
USUAL = 4.0
OPENING = 2.0  # bonus in nats if the piece begins on a downbeat
THREES = 0.5  # weight of prefer_threes as evidence of a compound metre
OVERALL = 0.5  # share of the whole piece's mean in a beat's evidence of its time signature


def find_bars(
    times: np.ndarray,
    events: Events,
    evidence: Evidence,
    *,
    metre: Metre | None = None,
    pickup: float | None = None,
    first: np.ndarray | None = None,
    likely: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[Metre, ...]]:
    """Beat times ``(n,)`` in seconds -> indices of the beats that begin a bar, and the time signature of each bar.

    Args:
        times: ``(n,)`` seconds of the beats.
        events: of the performance.
        evidence: the note network's output for each event.
        metre: the time signature; estimated when ``None``.
        pickup: beats from the first event to the first full bar; estimated when ``None``.
        first: ``(n,)`` whether each beat begins a bar; estimated when ``None``.
        likely: ``(n,)`` log odds that each beat begins a bar (:func:`.bar_network.read_bars`).
    """
    kinds = [metre] if metre is not None else [Metre(*m) for m in METRES]
    downbeat, said = _say_of_beats(times, events, evidence, kinds)
    downbeat = DOWNBEAT * downbeat
    if likely is not None:
        downbeat = downbeat + BARS * np.clip(likely, -SURE, SURE)
    anchor = None
    if pickup is not None:
        opening = float(np.interp(evidence.time[0], times, np.arange(len(times))))
        anchor = int(np.rint(opening + pickup)) % max(len(times), 1)
    if first is not None:
        return _from_downbeats(first, said, kinds)
    states = [(k, p) for k, kind in enumerate(kinds) for p in range(kind.beats)]
    kind_of, place = np.array(states).T
    lengths = np.array([kinds[k].beats for k in kind_of])
    last = np.array([place_ == kinds[k].beats - 1 for k, place_ in states])
    cost = np.full((len(states), len(states)), np.inf)  # (to, from)
    for to, (k, p) in enumerate(states):
        for source, (j, q) in enumerate(states):
            if k == j and p == q + 1:
                cost[to, source] = 0.0
            elif p == 0:
                cost[to, source] = (CHANGE if k != j else 0.0) + (0.0 if last[source] else IRREGULAR)
            elif to == source and last[to] and kinds[k].beats > 1:
                cost[to, source] = IRREGULAR
    opening = int(np.argmin(np.abs(times - evidence.time[0])))
    value = USUAL * np.log([SHARES.get((kinds[k].numerator, kinds[k].denominator), 0.03) for k in kind_of])
    came = np.zeros((len(times), len(states)), int)
    for b in range(len(times)):
        if b:
            ways = value[None, :] - cost
            came[b] = ways.argmax(1)
            value = ways.max(1)
        value = value + np.where(place == 0, downbeat[b] + OPENING * (b == opening), 0.0)
        value = value + said[b][kind_of]
        if anchor is not None and b <= anchor:  # before the anchor, bars are whole and none begins within the pick-up
            whole = (anchor - b) % lengths == 0
            value = value + 1e4 * ((place == 0) & whole) - 1e4 * ((place == 0) & ~whole)
    chosen = np.zeros(len(times), int)
    chosen[-1] = int(value.argmax())
    for b in range(len(times) - 1, 0, -1):
        chosen[b - 1] = came[b, chosen[b]]
    return _write_bars(np.flatnonzero(place[chosen] == 0), kind_of[chosen], kinds, len(times))


def _say_of_beats(
    times: np.ndarray, events: Events, evidence: Evidence, kinds: list[Metre]
) -> tuple[np.ndarray, np.ndarray]:
    """Log odds ``(n,)`` that each beat begins a bar, and evidence ``(n, kinds)`` in nats of each time signature."""
    n = len(times)
    period = np.gradient(times)
    nearest = nearest_events(evidence.time, times)
    near = np.abs(evidence.time[nearest] - times) < np.minimum(0.08, 0.15 * period)
    accent = np.where(near, events.terms[nearest] @ ACCENT, 0.0)
    downbeat = np.where(near, evidence.downbeat[nearest], -1.0) + np.clip(accent - accent.mean(), -2, 2)
    if len(kinds) == 1:
        return downbeat, np.zeros((n, 1))
    said = METRE * ((1 - OVERALL) * evidence.metre[nearest] + OVERALL * evidence.metre.mean(0))
    threes = THREES * np.append(prefer_threes(evidence.time, times), 0.0)
    return downbeat, said + np.array([kind.compound for kind in kinds]) * threes[:, None]


def _from_downbeats(first: np.ndarray, said: np.ndarray, kinds: list[Metre]) -> tuple[np.ndarray, tuple[Metre, ...]]:
    """Bars from given downbeats, in the likeliest time signature with the most frequent number of beats."""
    bars = np.flatnonzero(first)
    lengths = np.diff(bars)
    usual = int(np.bincount(lengths).argmax()) if len(lengths) else kinds[0].beats
    fitting = [k for k, kind in enumerate(kinds) if kind.beats == usual]
    if fitting:
        chosen = max(fitting, key=lambda k: float(said[:, k].mean()))
        kind = kinds[chosen]
    else:
        unit = kinds[0] if len(kinds) == 1 else Metre()
        kind = unit.with_beats(usual)
    return _write_bars(bars, np.zeros(len(first), int), [kind], len(first))


def _write_bars(
    bars: np.ndarray, kind_of_beat: np.ndarray, kinds: list[Metre], n: int
) -> tuple[np.ndarray, tuple[Metre, ...]]:
    """Gives each bar a time signature of its length, except the last bar, which may be incomplete.

    If no time signature has that length with the same beat (six eighths in 3/8, one beat in 6/8), the bar is cut or
    joined to the previous bar.
    """
    if not len(bars):
        return np.zeros(1, int), (kinds[int(kind_of_beat[0])],)
    begins: list[int] = []
    metres: list[Metre] = []
    pending = bars.tolist()
    while pending:
        begin = pending.pop(0)
        kind = kinds[int(kind_of_beat[begin])]
        end = pending[0] if pending else begin + kind.beats
        written = kind.with_beats(end - begin)
        if written.beats != end - begin and end - begin > kind.beats:
            pending.insert(0, begin + kind.beats)
            written = kind
        elif written.beats != end - begin:
            if begins:
                joined = metres[-1].with_beats(end - begins[-1])
                if joined.beats == end - begins[-1]:
                    metres[-1] = joined
                    continue
            written = kind  # the following beats are counted from this bar
            pending = pending[1:] if len(pending) > 1 else pending
        begins.append(begin)
        metres.append(written)
    for i in range(len(begins) - 1):  # bars whose length has changed above
        length = begins[i + 1] - begins[i]
        if metres[i].beats != length:
            metres[i] = metres[i].with_beats(length)
    return np.array(begins), tuple(metres)
