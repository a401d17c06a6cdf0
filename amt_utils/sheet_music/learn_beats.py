"""Trains :mod:`.note_network` on performances with known scores (:mod:`.asap`).

The loss is the weighted sum of the cross entropies of all heads, on augmented windows of notes (:func:`.targets.vary`).
A share of the windows are simulated performances (:mod:`.playing`) of the same scores and of more music
(:mod:`.tunes`). Held-out compositions are never trained on. A run saves its whole state every minute and resumes
from it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.files import written_whole
from .asap import Aligned, find_performances
from .check_asap import one_of_each
from .learn_bars import learn_bars
from .note_features import FEATURES, LENGTHS, PEDALS, VELOCITIES, describe_notes
from .note_network import HEADS
from .playing import Music, play, written_music
from .sequenced import Sequenced, find_sequenced
from .targets import IGNORED, Targets, borrow_alignment, cut_window, make_targets, vary
from .tunes import accompany_some

BATCH, LENGTH = 20, 400  # windows, notes
RATE, WARMUP, FINAL = 4e-3, 100, 0.02
AVERAGED = 0.998  # decay of the averaged weights, which are saved
SAVE_SECONDS = 60.0
MADE_UP = 0.35  # share of windows from simulated performances
HIDDEN = 0.12  # share of windows in which velocities (or lengths, or pedals) are hidden
MOST_NOTES, BALANCE = 6000, 0.6  # a performance's weight: min(notes, MOST_NOTES) / performances of the piece ** BALANCE
WEIGHT = {
    "beat": 2.0, "downbeat": 2.0, "period": 0.6, "metre": 0.4, "key": 0.4, "staff": 1.0, "voice": 0.6,
    "name": 0.5, "part": 0.7, "value": 0.4, "short": 0.2, "grace": 0.3,
}  # fmt: skip


class NoteNetwork(nn.Module):
    """Keys ``(B, n)`` and features ``(B, n, FEATURES)`` -> logits ``(B, n, all heads)``."""

    def __init__(self, inputs: int = 56, hidden: int = 94) -> None:
        super().__init__()
        self.embedding = nn.Embedding(88, inputs)
        self.described = nn.Linear(FEATURES, inputs)
        self.gru = nn.GRU(inputs, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.heads = nn.Linear(2 * hidden, sum(HEADS.values()))
        self.dropout = nn.Dropout(0.2)
        nn.init.normal_(self.embedding.weight, std=0.3)

    def forward(self, key: Tensor, features: Tensor) -> Tensor:
        hidden = torch.relu(self.embedding(key) + self.described(features))
        hidden, _ = self.gru(self.dropout(hidden))
        return self.heads(self.dropout(hidden))


@dataclass(frozen=True)
class Examples:
    """Examples for training or validation.

    Attributes:
        played: performances with their targets.
        weight: ``(n,)`` probability of drawing each of them; the sum is 1.
        written: scores for simulated performances, of the performances and of a corpus; may be empty.
    """

    played: list[tuple[Performance, Targets]]
    weight: np.ndarray
    written: tuple[list[Music], list[Music]] = ([], [])


def load_examples(
    folder: str | os.PathLike,
    *,
    held_out: bool,
    sequenced: Sequence[Sequenced] = (),
    corpus: Iterable[Music] = (),
    written: bool = True,
) -> Examples:
    """Performances with their targets, of the training compositions or of the held-out ones.

    Args:
        folder: in (n)ASAP's shape.
        held_out: whether to take the held-out compositions.
        sequenced: more pieces (:func:`.sequenced.find_sequenced`).
        corpus: more scores for simulated performances.
        written: whether to simulate performances of the performances' own scores, too.
    """
    aligned = [p for p in find_performances(folder) if p.held_out == held_out]
    if not aligned:
        raise AmtError(f"{folder}: no performances {'held out' if held_out else 'to learn from'}")
    performances: list[Aligned | Sequenced] = [*aligned, *sequenced]
    examples, scores = [], []
    for own in tqdm(performances, desc="reading", unit="performance"):
        rows = own.alignment
        if isinstance(own, Aligned) and not len(rows):
            others = [o for o in aligned if o.midi.parent == own.midi.parent and len(o.alignment)]
            rows = borrow_alignment(own, others[0]) if others else rows
        elif written and (score := written_music(own)) is not None:
            scores.append(score)
        examples.append((own.performance, make_targets(own.performance, own.annotations, rows)))
    often = Counter(own.composition for own in performances)
    weight = np.array([min(len(own.performance.notes), MOST_NOTES) for own in performances], float)
    weight = weight / np.array([often[own.composition] for own in performances]) ** BALANCE
    return Examples(examples, weight / weight.sum(), (scores, list(corpus)))


def draw_batch(
    examples: Examples, rng: np.random.Generator, *, varied: bool = True
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Random windows -> keys, features and targets ``(B, n)``."""
    keys = np.zeros((BATCH, LENGTH), np.int64)
    features = np.zeros((BATCH, LENGTH, FEATURES), np.float32)
    wanted = {name: np.full((BATCH, LENGTH), IGNORED, np.int64) for name in HEADS}
    for row in range(BATCH):
        performance, targets = _draw_window(examples, rng, varied=varied)
        if varied:
            performance, targets = vary(performance, targets, rng)
        order, key, described = describe_notes(performance)
        n = min(len(order), LENGTH)
        keys[row, :n], features[row, :n] = key[:n], described[:n]
        if varied:
            for columns in (VELOCITIES, LENGTHS, PEDALS):
                if rng.random() < HIDDEN:
                    features[row][:, columns] = 0
        for name in HEADS:
            wanted[name][row, :n] = getattr(targets, name)[order][:n]
    return torch.from_numpy(keys), torch.from_numpy(features), {k: torch.from_numpy(v) for k, v in wanted.items()}


def _draw_window(examples: Examples, rng: np.random.Generator, *, varied: bool) -> tuple[Performance, Targets]:
    own, more = examples.written
    if varied and (own or more) and rng.random() < MADE_UP:
        from_corpus = bool(more) and (not own or rng.random() < len(more) ** 0.5 / (len(more) ** 0.5 + len(own) ** 0.5))
        source = more if from_corpus else own
        music = source[int(rng.integers(len(source)))]
        performance, beats, rows = play(accompany_some(music, rng), rng, notes=LENGTH)
        return performance, make_targets(performance, beats, rows)
    performance, targets = examples.played[rng.choice(len(examples.played), p=examples.weight)]
    begin = int(rng.integers(max(1, len(performance.notes) - LENGTH + 1)))
    return cut_window(performance, targets, begin, LENGTH)


def losses(logits: Tensor, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mean cross entropy of each head over the notes with known targets."""
    found, at = {}, 0
    for name, size in HEADS.items():
        own, truth = logits[..., at : at + size], wanted[name]
        at += size
        known = truth != IGNORED
        if not known.any():
            continue
        if size == 1:
            found[name] = functional.binary_cross_entropy_with_logits(own[..., 0][known], truth[known].float())
        else:
            found[name] = functional.cross_entropy(own[known], truth[known], label_smoothing=0.05)
    return found


def learn_beats(examples: Examples, *, steps: int, seed: int = 1, state: Path | None = None) -> NoteNetwork:
    """Trains for ``steps`` batches; returns the network with averaged weights. Resumes from the file ``state``."""
    torch.manual_seed(seed)
    net = NoteNetwork()
    average = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2, betas=(0.9, 0.98))
    done = 0
    if state is not None and state.is_file():
        saved = torch.load(state, weights_only=True)
        if saved["steps"] != steps or saved["seed"] != seed:
            raise AmtError(f"{state}: of a run with {saved['steps']} steps, seed {saved['seed']}; remove it first")
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        average, done = saved["average"], saved["done"]
    last, seen = time.monotonic(), dict[str, float]()
    with tqdm(range(done, steps), initial=done, total=steps, desc="beats", unit="step", mininterval=10) as progress:
        for step in progress:
            rng = np.random.default_rng((seed, step))  # an interrupted run sees the same data as an uninterrupted one
            rate = min(1.0, (step + 1) / WARMUP) * (FINAL + (1 - FINAL) * 0.5 * (1 + np.cos(np.pi * step / steps)))
            for group in optimizer.param_groups:
                group["lr"] = float(RATE * rate)
            keys, features, wanted = draw_batch(examples, rng)
            terms = losses(net(keys, features), wanted)
            loss = functools.reduce(torch.add, (WEIGHT[name] * term for name, term in terms.items()))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            decay = min(AVERAGED, (1 + step) / (10 + step))
            with torch.no_grad():
                for name, value in net.state_dict().items():
                    average[name].lerp_(value, 1 - decay)
            for name, term in terms.items():
                seen[name] = 0.98 * seen.get(name, float(term)) + 0.02 * float(term)
            if step % 20 == 0:
                progress.set_postfix_str(" ".join(f"{name} {value:.3f}" for name, value in seen.items()), refresh=False)
            if state is not None and time.monotonic() - last > SAVE_SECONDS:
                last = time.monotonic()
                with written_whole(state) as partial:
                    torch.save(
                        {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average,
                         "done": step + 1, "steps": steps, "seed": seed}, partial
                    )  # fmt: skip
    net.load_state_dict(average)
    return net.eval()


@torch.inference_mode()
def measure(nets: list[NoteNetwork], examples: Examples, batches: int = 12) -> dict[str, float]:
    """Accuracy of each head on performances without augmentation (the class with the largest logit)."""
    right: dict[str, list[float]] = {}
    for number in range(batches):
        keys, features, wanted = draw_batch(examples, np.random.default_rng(number), varied=False)
        logits, at = torch.stack([net(keys, features) for net in nets]).mean(0), 0
        for name, size in HEADS.items():
            own, truth = logits[..., at : at + size], wanted[name]
            at += size
            known = truth != IGNORED
            answer = own[..., 0] > 0 if size == 1 else own.argmax(-1)
            right.setdefault(name, []).append(float((answer == truth)[known].float().mean()))
    return {name: float(np.nanmean(values)) for name, values in right.items()}


def save_network(weights: dict[str, Tensor], path: str | os.PathLike, card: dict) -> None:
    """Writes weights as float16 safetensors, and a JSON file that describes them."""
    from safetensors.torch import save_file

    path = Path(path)
    with written_whole(path) as partial:
        save_file({name: value.half().contiguous() for name, value in weights.items()}, partial)
    content = path.read_bytes()
    card = card | {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    with written_whole(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def learn_from_folder(
    folder: str | os.PathLike,
    out: Path,
    *,
    steps: int,
    members: int = 2,
    seed: int = 1,
    sequenced: str | os.PathLike | None = None,
    without: Iterable[str] = (),
    corpus: Iterable[Music] = (),
) -> dict:
    """Trains on a folder as in :mod:`.asap` and on more music; writes the weights and returns their card.

    Args:
        folder: in (n)ASAP's shape.
        out: file of the weights.
        steps: batches for each note network.
        members: number of note networks, whose logits are averaged.
        seed: random seed.
        sequenced: a folder of sequenced pieces (:mod:`.sequenced`); held-out compositions are left out.
        without: patterns of their names to leave out, too.
        corpus: more scores for simulated performances.
    """
    corpus, more = list(corpus), list[Sequenced]()
    if sequenced is not None:
        held = one_of_each([own for own in find_performances(folder) if own.held_out])
        more = find_sequenced(sequenced, held_out=held, without=without)
    examples = load_examples(folder, held_out=False, sequenced=more, corpus=corpus)
    states = [out.with_suffix(f".{member}.state") for member in range(members)]
    nets = [learn_beats(examples, steps=steps, seed=seed + i, state=state) for i, state in enumerate(states)]
    card: dict[str, Any] = {
        "format": 1,
        "parameters": sum(p.numel() for net in nets for p in net.parameters()),
        "learnt_from": f"(n)ASAP: {sum(len(p.notes) for p, _ in examples.played):,} notes of {len(examples.played)} "
        f"performances, {len(more)} of them sequenced, {len(examples.written[0])} scores played anew; "
        f"{len(corpus)} pieces of music21's corpus",
        "steps": steps,
        "seed": seed,
        "scores": measure(nets, load_examples(folder, held_out=True)),
        "licence": "CC BY-NC-SA 4.0 (learnt from (n)ASAP and MAPS)"
        if more
        else "CC BY-NC-SA 4.0 (learnt from (n)ASAP)",
    }
    bars = learn_bars(folder, more, corpus, seed=seed)
    card["parameters"] += sum(value.numel() for value in bars.values())
    notes = {f"notes.{i}.{name}": value for i, net in enumerate(nets) for name, value in net.state_dict().items()}
    save_network(notes | bars, out, card)
    for state in states:
        state.unlink(missing_ok=True)
    return card
