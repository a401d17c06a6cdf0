"""How hard a note was struck, told from all the others of its recording.

The transcribing network tells each note's velocity from its own sound, and errs by what is this piano's own: a key
voiced brighter, another sample. This one reads the notes alone. Two LSTMs go over them in the order of their
onsets: the first expects each note's velocity from those around it; by how much a key differs from that all through the
recording is the piano's, and told to the second. It needs no audio to learn from, only performances.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..music.notes import N_KEYS

DESCRIPTION = 6  # numbers per note, see describe_notes; the first is its velocity


class DynamicsNet(nn.Module):
    """Notes ``(B, n, DESCRIPTION)``, their keys ``(B, n)`` 0..87, and which are notes ``(B, n)`` 0 or 1.

    Returns velocities ``(B, n)``, on the scale of the description: as first expected, and as believed in the end.
    """

    def __init__(self, hidden: int = 96, key_states: int = 12):
        super().__init__()
        self.key = nn.Embedding(N_KEYS, key_states)
        self.around = nn.LSTM(DESCRIPTION + key_states, hidden, batch_first=True, bidirectional=True)
        self.expected = nn.Linear(2 * hidden, 1)
        self.log_doubt = nn.Parameter(torch.tensor(2.0))  # of exp(2) notes half of a key's difference is believed
        self.again = nn.LSTM(2 * hidden + 3, hidden, batch_first=True, bidirectional=True)
        self.correction = nn.Linear(2 * hidden, 1)

    def forward(self, notes: Tensor, key: Tensor, is_note: Tensor) -> tuple[Tensor, Tensor]:
        heard = notes[..., 0]
        around, _ = self.around(torch.cat([notes, self.key(key)], dim=-1))
        differing = -self.expected(around).squeeze(-1)  # by how much what is heard is over what is expected
        of_key = notes.new_zeros(len(notes), 2, N_KEYS)  # their number and sum
        of_key.scatter_add_(2, key[:, None].expand(-1, 2, -1), torch.stack([is_note, differing * is_note], dim=1))
        count, total = of_key.gather(2, key[:, None].expand(-1, 2, -1)).unbind(1)
        voicing = total / (count + self.log_doubt.exp())
        told = torch.stack([voicing, torch.log1p(count) / 3, differing], dim=-1)
        again, _ = self.again(torch.cat([around, told], dim=-1))
        return heard - differing, heard - voicing + self.correction(again).squeeze(-1)
