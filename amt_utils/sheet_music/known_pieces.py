"""Pieces with a known score and simulated performances of them, for measuring the accuracy of sheet music.

The pieces are written here in a small notation: ``C5/4`` is a quarter note C5, ``Eb4/8.`` a dotted eighth,
``F#4/8t`` one of three eighths in the time of two, ``C4+E4/2`` a chord, ``r/4`` a rest, ``|`` is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..music.notes import SUSTAIN, Performance, make_notes, make_pedals
from .metre import Metre
from .spelling import Key

_LINE = "FCGDAEB"
_LETTERS = "CDEFGAB"
_SEMITONES = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True)
class Written:
    """One note of a score: ``onset`` and ``length`` in quarter notes from the first bar line, name, hand (0 right)."""

    onset: Fraction
    length: Fraction
    step: str
    alter: int
    octave: int
    hand: int

    @property
    def pitch(self) -> int:
        return 12 * (self.octave + 1) + _SEMITONES[_LETTERS.index(self.step)] + self.alter


@dataclass(frozen=True)
class Piece:
    """A score: ``tempo`` in beats of the metre per minute, ``pickup`` in quarters; onsets before 0 are the pick-up."""

    kind: str
    name: str
    metre: Metre
    tempo: float
    key: Key
    notes: tuple[Written, ...]
    pickup: Fraction = Fraction(0)
    pedal: bool = False


def parse_line(text: str, hand: int, begin: Fraction = Fraction(0)) -> list[Written]:
    """A line in the notation above -> successive notes."""
    notes, now = [], begin
    for token in text.replace("|", " ").split():
        names, _, value = token.partition("/")
        length = Fraction(4, int(value.rstrip(".t")))
        length *= Fraction(3, 2) if value.endswith(".") else Fraction(2, 3) if value.endswith("t") else 1
        for name in names.split("+"):
            if name != "r":
                alter = name.count("#") - name[1:].count("b")
                notes.append(Written(now, length, name[0], alter, int(name.lstrip("ABCDEFG#b")), hand))
        now += length
    return notes


def transpose(piece: Piece, letters: int, fifths: int, name: str) -> Piece:
    """The piece transposed by ``letters`` staff steps and ``fifths`` on the line of fifths (a major third: 2, 4)."""

    def move(note: Written) -> Written:
        place = _LINE.index(note.step) - 1 + 7 * note.alter + fifths
        step, alter = _LINE[(place + 1) % 7], (place + 1) // 7
        height = _LETTERS.index(note.step) + 7 * note.octave + letters
        return Written(note.onset, note.length, step, alter, height // 7, note.hand)

    key = Key(piece.key.fifths + fifths, piece.key.minor)
    notes = tuple(move(note) for note in piece.notes)
    assert all(_LETTERS[(_LETTERS.index(a.step) + letters) % 7] == b.step for a, b in zip(piece.notes, notes))
    return Piece(piece.kind, name, piece.metre, piece.tempo, key, notes, piece.pickup, piece.pedal)


def _piece(kind, name, metre, tempo, key, right, left, *, pickup=0, pedal=False) -> Piece:
    begin = -Fraction(pickup)
    lines = [(text, 0) for text in right] + [(text, 1) for text in left]
    notes = [note for text, hand in lines for note in parse_line(text, hand, begin)]
    notes.sort(key=lambda note: (note.onset, note.pitch))
    return Piece(kind, name, Metre.parse(metre), tempo, Key.parse(key), tuple(notes), Fraction(pickup), pedal)


def _scale(key: str, tempo: float, value: int) -> Piece:
    """A scale over two octaves up and down, in parallel octaves; minor scales are harmonic."""
    scale = Key.parse(key)
    tonic = scale.fifths + (3 if scale.minor else 0)
    start = _LETTERS.index(_LINE[(tonic + 1) % 7])
    degrees = [*range(15), *range(13, 0, -1)]
    lines = []
    for octave in (4, 3):
        tokens = []
        for degree in degrees + [0]:
            letter = _LETTERS[(start + degree) % 7]
            place = _LINE.index(letter) - 1
            alter = -(-(scale.fifths - 1 - place) // 7)  # the key signature's alteration
            if scale.minor and degree % 7 == 6:
                alter += 1
            sign = "#" * alter + "b" * -alter
            tokens.append(f"{letter}{sign}{octave + (start + degree) // 7}/{value}")
        lines.append(" ".join(tokens[:-1]) + " " + tokens[-1].split("/")[0] + f"/{value // 4}")
    return _piece("scales", f"scale in {key}", "4/4", tempo, key, [lines[0]], [lines[1]])


_MELODY = _piece(
    "melody", "melody with broken chords", "4/4", 104, "C",
    ["G4/4 E5/4 D5/8 C5/8 D5/4 | E5/4. F5/8 G5/2 | A5/4 G5/4 F5/8 E5/8 F5/4 | E5/2 D5/2 |"
     "G4/4 E5/4 D5/8 C5/8 D5/4 | E5/4. F5/8 G5/4 A5/4 | G5/4 E5/4 D5/4 B4/4 | C5/1"],
    ["C3/8 G3/8 E3/8 G3/8 C3/8 G3/8 E3/8 G3/8 | C3/8 G3/8 E3/8 G3/8 C3/8 G3/8 E3/8 G3/8 |"
     "F3/8 C4/8 A3/8 C4/8 D3/8 A3/8 F3/8 A3/8 | G3/8 D4/8 B3/8 D4/8 G3/8 D4/8 B3/8 D4/8 |"
     "C3/8 G3/8 E3/8 G3/8 C3/8 G3/8 E3/8 G3/8 | C3/8 G3/8 E3/8 G3/8 F3/8 C4/8 A3/8 C4/8 |"
     "G3/8 C4/8 E4/8 C4/8 G3/8 D4/8 B3/8 D4/8 | C3+E3+G3/1"],
)  # fmt: skip
_SONG = _piece(
    "melody", "song with an upbeat", "3/4", 92, "F",
    ["C5/4 | A4/4. Bb4/8 C5/4 | F5/2 E5/8 D5/8 | C5/4. A4/8 Bb4/4 | A4/2 C5/4 |"
     "D5/4. E5/8 F5/4 | C5/2 A4/4 | Bb4/8 A4/8 G4/4 C5/4 | F4/2"],
    ["r/4 | F3/4 A3+C4/4 A3+C4/4 | Bb2/4 D4+F4/4 D4+F4/4 | C3/4 A3+C4/4 E3+C4/4 | F3/4 A3+C4/4 A3+C4/4 |"
     "Bb2/4 F3+D4/4 F3+D4/4 | F3/4 A3+C4/4 A3+C4/4 | C3/4 E3+Bb3/4 E3+Bb3/4 | F3+A3/2"],
    pickup=1,
)  # fmt: skip
_CHORALE = _piece(
    "chorales", "chorale", "4/4", 76, "G",
    ["D5/4 D5/4 E5/4 D5/4 | C5/4 B4/4 A4/2 | B4/4 C5/4 D5/4 E5/4 | D5/8 C5/8 A4/4 B4/2 |"
     "B4/4 A4/4 G4/4 A4/4 | B4/4 C#5/4 D5/2 | D5/4 C5/4 B4/4 E5/4 | D5/4 A4/4 G4/2",
     "B4/4 G4/4 G4/4 G4/4 | G4/8 F#4/8 G4/4 F#4/2 | G4/4 G4/4 G4/4 G4/4 | G4/4 F#4/4 G4/2 |"
     "G4/4 F#4/4 E4/4 E4/4 | D4/4 G4/4 F#4/2 | F#4/4 F#4/4 G4/4 G4/4 | G4/4 F#4/4 D4/2"],
    ["G4/4 B3/4 C4/4 B3/4 | E4/4 D4/4 D4/2 | D4/4 E4/4 D4/4 C4/4 | B3/4 C4/4 D4/2 |"
     "D4/4 D4/4 B3/4 C4/4 | B3/4 E4/4 D4/2 | D4/4 D4/4 D4/4 C4/4 | B3/4 C4/4 B3/2",
     "G3/4 G3/8 F#3/8 E3/4 G3/4 | A3/4 B3/4 D3/2 | G3/4 E3/4 B2/4 C3/4 | D3/4 D3/4 G2/2 |"
     "G3/4 D3/4 E3/4 A2/4 | B2/4 A2/4 D3/2 | D3/4 A3/4 G3/4 C3/4 | D3/4 D3/4 G2/2"],
)  # fmt: skip
_CHORALE_MINOR = _piece(
    "chorales", "chorale in minor", "3/4", 84, "Am",
    ["E5/4 D5/4 C5/4 | B4/2 C5/4 | D5/4 C5/4 B4/4 | A4/2. | C5/4 D5/4 E5/4 | F5/2 E5/4 | D5/4 C5/4 B4/4 | A4/2.",
     "C5/4 B4/4 A4/4 | G#4/2 A4/4 | A4/4 A4/4 G#4/4 | E4/2. | A4/4 B4/4 C5/4 | C5/2 C5/4 | A4/4 A4/4 G#4/4 | E4/2."],
    ["A3/4 E3/4 E3/4 | E3/2 E3/4 | F3/4 E3/4 E3/4 | C4/2. | E3/4 G3/4 G3/4 | A3/2 G3/4 | F3/4 E3/4 E3/4 | C4/2.",
     "A2/4 G#2/4 A2/4 | E2/2 A2/4 | D3/4 E3/4 E2/4 | A2/2. | A2/4 G2/4 C3/4 | F2/2 C3/4 | D3/4 E3/4 E2/4 | A2/2."],
)  # fmt: skip
_WALTZ = _piece(
    "waltzes", "waltz", "3/4", 152, "D",
    ["F#5/2 E5/4 | D5/2 A4/4 | B4/4 C#5/4 D5/4 | A4/2. | G4/2 B4/4 | F#4/2 A4/4 | E4/4 F#4/4 G4/4 | F#4/2. |"
     "F#5/2 E5/4 | D5/2 A4/4 | B4/4 D5/4 G5/4 | F#5/2. | E5/4 G5/4 E5/4 | D5/4 F#5/4 D5/4 | C#5/4 E5/4 C#5/4 | D5/2."],
    ["D3/4 F#3+A3/4 F#3+A3/4 | D3/4 F#3+A3/4 F#3+A3/4 | G2/4 G3+B3/4 G3+B3/4 | D3/4 F#3+A3/4 F#3+A3/4 |"
     "E3/4 G3+B3/4 G3+B3/4 | D3/4 F#3+A3/4 F#3+A3/4 | A2/4 G3+C#4/4 G3+C#4/4 | D3/4 F#3+A3/4 F#3+A3/4 |"
     "D3/4 F#3+A3/4 F#3+A3/4 | D3/4 F#3+A3/4 F#3+A3/4 | G2/4 G3+B3/4 G3+B3/4 | D3/4 F#3+A3/4 F#3+A3/4 |"
     "A2/4 G3+C#4/4 G3+C#4/4 | D3/4 F#3+A3/4 F#3+A3/4 | A2/4 G3+C#4/4 G3+C#4/4 | D3+F#3+A3/2."],
    pedal=True,
)  # fmt: skip
_WALTZ_MINOR = _piece(
    "waltzes", "slow waltz", "3/4", 116, "Em",
    ["B4/4 E5/4 G5/4 | F#5/2 E5/4 | D#5/4. E5/8 F#5/4 | E5/2. | C5/4 E5/4 A5/4 | G5/2 F#5/4 | E5/8 D#5/8 E5/4 F#5/4 | E5/2."],
    ["E3/4 G3+B3/4 G3+B3/4 | A2/4 E3+C4/4 E3+C4/4 | B2/4 F#3+A3/4 F#3+A3/4 | E3/4 G3+B3/4 G3+B3/4 |"
     "A2/4 E3+C4/4 E3+C4/4 | E3/4 G3+B3/4 G3+B3/4 | B2/4 F#3+A3/4 D#3+A3/4 | E3+G3+B3/2."],
    pedal=True,
)  # fmt: skip
_INVENTION = _piece(
    "inventions", "two-voice invention", "4/4", 72, "C",
    ["r/16 G4/16 A4/16 B4/16 C5/16 A4/16 B4/16 G4/16 C5/8 E5/8 D5/8 G5/8 |"
     "E5/16 D5/16 C5/16 D5/16 E5/16 F5/16 G5/16 E5/16 F5/8 D5/8 B4/8 G4/8 |"
     "C5/8 E5/8 G5/8 C5/8 A4/16 B4/16 C5/16 A4/16 D5/16 C5/16 D5/16 B4/16 |"
     "E5/16 D5/16 E5/16 C5/16 F5/16 E5/16 F5/16 D5/16 G5/8 F5/8 E5/8 D5/8 | C5/1"],
    ["C3/4 r/4 r/16 C3/16 D3/16 E3/16 F3/16 D3/16 E3/16 C3/16 |"
     "G3/8 A3/8 G3/8 E3/8 D3/8 F3/8 G3/16 F3/16 E3/16 D3/16 |"
     "E3/16 D3/16 C3/16 D3/16 E3/16 F3/16 G3/16 E3/16 F3/8 E3/8 D3/8 G3/8 |"
     "C3/8 C4/8 A3/8 D4/8 B3/16 G3/16 A3/16 B3/16 C4/16 A3/16 G3/16 F3/16 | C3/1"],
)  # fmt: skip
_INVENTION_MINOR = _piece(
    "inventions", "invention in three", "3/4", 96, "Dm",
    ["D5/8 E5/8 F5/8 D5/8 A5/8 F5/8 | E5/8 C#5/8 A4/8 C#5/8 E5/4 | F5/8 D5/8 Bb4/8 D5/8 F5/8 A5/8 | G5/8 E5/8 C#5/8 E5/8 A4/4 |"
     "D5/16 E5/16 F5/16 G5/16 A5/8 F5/8 D5/8 F5/8 | E5/16 F5/16 G5/16 E5/16 C#5/8 A4/8 E5/8 C#5/8 | D5/2."],
    ["D3/4 F3/4 D3/4 | A3/8 G3/8 F3/8 E3/8 C#3/4 | D3/4 Bb2/4 D3/4 | E3/4 A2/4 A3/8 G3/8 |"
     "F3/8 E3/8 D3/8 F3/8 A3/4 | C#3/8 A2/8 C#3/8 E3/8 A3/8 A2/8 | D3/2."],
)  # fmt: skip
_TUPLETS = _piece(
    "tuplets", "triplets against quarters", "4/4", 80, "Bb",
    ["D5/8t Eb5/8t F5/8t F5/4 D5/8t C5/8t Bb4/8t C5/4 | F4/8t A4/8t C5/8t Eb5/4 D5/2 |"
     "G5/8t F5/8t Eb5/8t D5/8 C5/8 Bb4/8t C5/8t D5/8t Eb5/4 | D5/8 Eb5/8 F5/4 C5/8t D5/8t C5/8t Bb4/4 |"
     "D5/8t Eb5/8t F5/8t G5/4 F5/8t Eb5/8t D5/8t C5/4 | Bb4/1"],
    ["Bb2/4 F3/4 D3/4 F3/4 | C3/4 A3/4 Bb2/4 F3/4 | Eb3/4 G3/4 G2/4 C3/4 | Bb2/4 D3/4 F3/4 Bb3/4 |"
     "Bb2/4 Eb3/4 F3/4 F2/4 | Bb2+F3/1"],
)  # fmt: skip
_NOCTURNE = _piece(
    "tuplets", "melody over triplets", "4/4", 60, "Eb",
    ["Bb4/2 G5/4. F5/8 | Eb5/2 D5/4 C5/4 | Bb4/4. C5/8 Ab5/4 G5/4 | F5/2 Bb4/2 | Bb4/2 G5/4. F5/8 | Eb5/2 C5/2 | Bb4/4 D5/4 F5/4 D5/4 | Eb5/1"],
    ["Eb3/8t Bb3/8t G3/8t Eb3/8t Bb3/8t G3/8t Eb3/8t Bb3/8t G3/8t Eb3/8t Bb3/8t G3/8t |"
     "C3/8t G3/8t Eb3/8t C3/8t G3/8t Eb3/8t Ab2/8t Eb3/8t C3/8t Ab2/8t Eb3/8t C3/8t |"
     "Eb3/8t Bb3/8t G3/8t Eb3/8t Bb3/8t G3/8t F3/8t C4/8t Ab3/8t G3/8t Bb3/8t Eb4/8t |"
     "Bb2/8t F3/8t D3/8t Bb2/8t F3/8t D3/8t Bb2/8t F3/8t Ab3/8t Bb2/8t F3/8t Ab3/8t |"
     "Eb3/8t Bb3/8t G3/8t Eb3/8t Bb3/8t G3/8t Eb3/8t Bb3/8t G3/8t Eb3/8t Bb3/8t G3/8t |"
     "C3/8t G3/8t Eb3/8t C3/8t G3/8t Eb3/8t Ab2/8t Eb3/8t C3/8t Ab2/8t Eb3/8t C3/8t |"
     "Bb2/8t F3/8t D3/8t Bb2/8t F3/8t D3/8t Bb2/8t F3/8t Ab3/8t Bb2/8t F3/8t Ab3/8t | Eb3+Bb3/1"],
    pedal=True,
)  # fmt: skip
_GIGUE = _piece(
    "compound", "gigue", "6/8", 88, "G",
    ["D5/8 | G5/8 F#5/8 G5/8 D5/8 E5/8 D5/8 | B4/4 G4/8 A4/8 B4/8 C5/8 | D5/8 B4/8 G4/8 E5/8 D5/8 C5/8 | B4/4. A4/4 D5/8 |"
     "G5/8 F#5/8 G5/8 D5/8 E5/8 D5/8 | C5/4 E5/8 A4/8 B4/8 C5/8 | B4/8 A4/8 G4/8 A4/4 F#4/8 | G4/4. G4/4"],
    ["r/8 | G3/4 D4/8 B3/4 D4/8 | G3/4 D4/8 F#3/4 D4/8 | G3/4 B3/8 C4/4 A3/8 | G3/4. D3/4 r/8 |"
     "G3/4 D4/8 B3/4 D4/8 | A3/4 C4/8 F#3/4 D4/8 | G3/4 C4/8 D4/4 D3/8 | G2/4. G2/4"],
    pickup=Fraction(1, 2),
)  # fmt: skip
_BARCAROLLE = _piece(
    "compound", "barcarolle", "6/8", 54, "Am",
    ["E5/4. C5/4 A4/8 | B4/4 C5/8 D5/4. | C5/4 B4/8 A4/4 G#4/8 | A4/2. | E5/4. F5/4 E5/8 | D5/4 C5/8 B4/4. | C5/4 A4/8 B4/4 G#4/8 | A4/2."],
    ["A2/8 E3/8 A3/8 C4/8 A3/8 E3/8 | G2/8 D3/8 G3/8 B3/8 G3/8 D3/8 | A2/8 E3/8 A3/8 E3/8 G#3/8 B3/8 | A2/8 E3/8 A3/8 C4/8 A3/8 E3/8 |"
     "A2/8 E3/8 A3/8 D3/8 A3/8 D4/8 | F2/8 C3/8 F3/8 G2/8 D3/8 G3/8 | A2/8 E3/8 A3/8 E2/8 E3/8 G#3/8 | A2+E3/2."],
    pedal=True,
)  # fmt: skip
_MARCH = _piece(
    "melody", "march", "2/4", 112, "Eb",
    ["Eb5/8. D5/16 Eb5/8 G5/8 | F5/8. Eb5/16 F5/8 Ab5/8 | G5/8 Eb5/8 Bb4/8 Eb5/8 | D5/4 Bb4/4 |"
     "Eb5/8. D5/16 Eb5/8 G5/8 | Ab5/8 F5/8 D5/8 F5/8 | Eb5/8 G5/8 F5/8 D5/8 | Eb5/2"],
    ["Eb3/8 G3+Bb3/8 Bb2/8 G3+Bb3/8 | Bb2/8 F3+Ab3/8 D3/8 F3+Ab3/8 | Eb3/8 G3+Bb3/8 Eb3/8 G3+Bb3/8 | Bb2/8 F3+Ab3/8 D3/8 F3+Ab3/8 |"
     "Eb3/8 G3+Bb3/8 Bb2/8 G3+Bb3/8 | F3/8 Ab3+C4/8 Bb2/8 Ab3+D4/8 | Eb3/8 G3+Bb3/8 Bb2/8 F3+Ab3/8 | Eb3+G3/2"],
)  # fmt: skip


def known_pieces() -> list[Piece]:
    """Scales, melodies, chorales, waltzes, inventions, tuplets and compound metres, several keys and tempi of each."""
    pieces = [
        _scale(key, tempo, value)
        for key, tempo, value in (
            ("C", 100, 8), ("G", 120, 8), ("D", 88, 8), ("E", 72, 16), ("F", 132, 8), ("Bb", 96, 8), ("Ab", 80, 8),
            ("Am", 108, 8), ("Em", 66, 16), ("Cm", 92, 8), ("F#m", 116, 8),
        )
    ]  # fmt: skip
    # letters and fifths upwards, and ratio of the tempo
    moves = ((0, 0, 1.0), (1, 2, 1.12), (-1, -2, 0.88))
    written = (_MELODY, _SONG, _MARCH, _CHORALE, _CHORALE_MINOR, _WALTZ, _WALTZ_MINOR, _INVENTION, _INVENTION_MINOR)
    for piece in (*written, _TUPLETS, _NOCTURNE, _GIGUE, _BARCAROLLE):
        for letters, fifths, faster in moves:
            if abs(piece.key.fifths + fifths) > 5:
                continue
            moved = transpose(piece, letters, fifths, piece.name)
            name = f"{piece.name} in {moved.key.name}"
            pieces.append(
                Piece(piece.kind, name, piece.metre, round(piece.tempo * faster), moved.key, moved.notes, piece.pickup,
                      piece.pedal)
            )  # fmt: skip
    return pieces


def perform(piece: Piece, *, jitter: float = 0.0, rubato: float = 0.0, seed: int = 0) -> tuple[Performance, np.ndarray]:
    """Simulates a human performance of a piece.

    Args:
        piece: the score.
        jitter: standard deviation of onsets in seconds, half of it shared by simultaneous notes.
        rubato: relative tempo variation over a phrase of four bars; the last bar slows by three times as much.
        seed: random seed.

    Returns:
        The performance, and ``(n,)`` the index into ``piece.notes`` of each of its notes.
    """
    random = np.random.default_rng(seed)
    quarters = piece.metre.quarters_per_beat
    onset = np.array([float(note.onset) for note in piece.notes])
    length = np.array([float(note.length) for note in piece.notes])
    first, last = onset.min(), (onset + length).max()
    grid = np.arange(first, last + 1.0, 0.125)
    bar = piece.metre.beats * quarters
    swing = rubato * (
        -np.cos(2 * np.pi * grid / (4 * bar)) + 0.4 * np.sin(2 * np.pi * grid / bar + random.uniform(0, 6))
    )
    swing = swing + 3 * rubato * np.clip((grid - (last - bar)) / bar, 0, 1) ** 2
    seconds = np.concatenate([[0.0], np.cumsum(0.125 * 60 / (piece.tempo * quarters) * np.exp(swing[:-1]))])
    lead = random.uniform(0.2, 1.0)

    def clock(x):
        return lead + np.interp(x, grid, seconds)

    together = {x: random.normal(0, jitter * np.sqrt(0.5)) for x in np.unique(onset)}
    late = np.array([together[x] for x in onset]) + random.normal(0, jitter * np.sqrt(0.5), len(onset))
    begin = np.maximum(clock(onset) + np.clip(late, -2.5 * jitter, 2.5 * jitter), 0.0)
    touch = np.clip(random.normal(0.80 if piece.pedal else 0.92, 0.06, len(onset)), 0.5, 1.04)
    end = np.maximum(begin + 0.04, begin + (clock(onset + length) - clock(onset)) * touch)
    pitch = np.array([note.pitch for note in piece.notes])
    for i in range(len(pitch)):  # a key is released before it is struck again
        again = begin[(pitch == pitch[i]) & (begin > begin[i])]
        if len(again):
            end[i] = max(min(end[i], again.min() - 0.02), begin[i] + 0.02)
    hand = np.array([note.hand for note in piece.notes])
    strong = np.isclose(onset % bar, 0)
    velocity = np.clip(62 + 12 * (hand == 0) + 6 * strong + random.normal(0, 5, len(onset)), 20, 110).astype(int)
    order = np.lexsort((pitch, begin))
    notes = make_notes(begin[order], end[order], pitch[order], velocity[order])
    pedals = []
    if piece.pedal:
        bars = np.arange(0.0, last, bar)
        pedals = [(clock(x) + 0.08, clock(min(x + bar, last)) + 0.03) for x in bars]
    columns = np.array(pedals).reshape(-1, 2)
    return Performance(notes, make_pedals(columns[:, 0], columns[:, 1], np.full(len(columns), SUSTAIN))), order
