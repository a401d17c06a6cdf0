"""Corrects each note's velocity from all notes of its recording.

The transcribing network estimates each velocity from the note's own sound, with errors that depend on the piano: a key
voiced brighter, another sample. This network reads the notes alone. Two LSTMs run over them in the order of their
onsets: the first predicts each note's velocity from those around it; the mean deviation of each key from that
prediction is the piano's voicing, an input of the second. It is trained on performances without audio.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..music.notes import N_KEYS

DESCRIPTION = 6  # numbers per note, see describe_notes; the first is its velocity


class VelocityNetwork(nn.Module):
    """Notes ``(B, n, DESCRIPTION)``, their keys ``(B, n)`` 0..87, and a mask of notes ``(B, n)`` 0 or 1.

    Returns velocities ``(B, n)``, on the scale of the description: the first prediction, and the final estimate.
    """

    def __init__(self, hidden: int = 96, key_states: int = 12):
        super().__init__()
        self.key = nn.Embedding(N_KEYS, key_states)
        self.around = nn.LSTM(DESCRIPTION + key_states, hidden, batch_first=True, bidirectional=True)
        self.expected = nn.Linear(2 * hidden, 1)
        self.log_doubt = nn.Parameter(torch.tensor(2.0))  # with exp(2) notes a key's deviation is shrunk by half
        self.again = nn.LSTM(2 * hidden + 3, hidden, batch_first=True, bidirectional=True)
        self.correction = nn.Linear(2 * hidden, 1)

    def forward(self, notes: Tensor, key: Tensor, is_note: Tensor) -> tuple[Tensor, Tensor]:
        velocity = notes[..., 0]
        around, _ = self.around(torch.cat([notes, self.key(key)], dim=-1))
        deviation = -self.expected(around).squeeze(-1)  # estimated minus predicted velocity
        of_key = notes.new_zeros(len(notes), 2, N_KEYS)  # their number and sum
        of_key.scatter_add_(2, key[:, None].expand(-1, 2, -1), torch.stack([is_note, deviation * is_note], dim=1))
        count, total = of_key.gather(2, key[:, None].expand(-1, 2, -1)).unbind(1)
        voicing = total / (count + self.log_doubt.exp())
        features = torch.stack([voicing, torch.log1p(count) / 3, deviation], dim=-1)
        again, _ = self.again(torch.cat([around, features], dim=-1))
        return velocity - deviation, velocity - voicing + self.correction(again).squeeze(-1)
