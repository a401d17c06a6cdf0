"""The one configuration: frozen dataclasses <-> plain dict <-> JSON, saved beside every checkpoint.

Every constant that a module needs (sample rate, bins, dilations, thresholds) is derived from here.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .music.notes import N_KEYS
from .system.errors import AmtError
from .system.paths import package_folder

_CONFIGS = package_folder() / "configs"
KEY_ROLLS = ("onset", "offset", "key_offset", "frame", "velocity")  # what a network tells of each key, (T, 88)
_RETIRED = {"chunk_seconds"}  # fields that older weights and checkpoints have, and that mean nothing now
ROLLS = (*KEY_ROLLS, "pedal")  # and of the three pedals, (T, 3)
DECODE_SETTING_HELP = "how notes are read off, e.g. decode.onset_threshold=0.5 (lower: more notes, more of them wrong)"


@dataclass(frozen=True)
class FeatureConfig:
    """What the network hears. 48 bins per octave are four per key, each key's four centred on it."""

    kind: str = "hcqt"  # "hcqt", "cqt" (one channel) or "logmel"
    sample_rate: int = 16_000
    hop_length: int = 320
    subframes: int = 1  # moments heard within a frame, hop_length / subframes apart: channels of their own
    bins_per_octave: int = 48
    harmonics: tuple[float, ...] = (0.5, 1.0, 2.0)
    gamma: float = 2.0  # Hz added to every bin's bandwidth (variable Q): limits bass filters to half a second
    n_mels: int = 229

    @property
    def bins_per_key(self) -> int:
        return self.bins_per_octave // 12

    @property
    def n_bins(self) -> int:
        return self.n_mels if self.kind == "logmel" else N_KEYS * self.bins_per_key

    @property
    def n_channels(self) -> int:
        return self.subframes * (len(self.harmonics) if self.kind == "hcqt" else 1)

    @property
    def frame_seconds(self) -> float:
        return self.hop_length / self.sample_rate


@dataclass(frozen=True)
class TargetConfig:
    """``soft``: a triangle that peaks at the true sub-frame time (Kong 2021); ``grid``: one frame, 0 or 1."""

    mode: str = "soft"
    soft_frames: float = 2.0  # half width of the triangle, in frames
    ends: str = "sounding"  # which note ends the offset and frame heads learn
    key_ends: bool = True  # a second offset head learns the key-ups, for scores and DAWs


@dataclass(frozen=True)
class ModelConfig:
    """A network by name; sizes fill in what is left at ``None`` (see :mod:`amt_utils.models`)."""

    name: str = "residual_hcqt_hppnet"
    size: str = "base"
    stem_channels: int | None = None
    trunk_channels: int | None = None
    key_channels: int | None = None
    key_blocks: int | None = None
    lstm_hidden: int | None = None
    hdconv_harmonics: tuple[int, ...] = (1, 2, 3, 4, 5, 7)  # with the HCQT's octaves also 6, 8, 10, 14
    residual: bool = True
    register: bool = True  # a bias per bin and key: no two strings are alike
    intervals: int = 0  # keys on either side from which each channel of a key block hears a chord; 0: octaves alone
    detach_onset: bool = True
    dropout: float = 0.0
    norm: str = "batch"


@dataclass(frozen=True)
class LossConfig:
    """Weights of the named terms, and of the rare positive cells within them."""

    kind: str = "bce"  # "bce", "focal" or "dice"
    onset: float = 1.0
    offset: float = 0.5
    key_offset: float = 0.5
    frame: float = 1.0
    velocity: float = 3.0
    pedal: float = 1.0
    frame_target: str = "frame"  # "frame_ex" leaves onset frames out of the frame term
    velocity_after_onset: float = 0.3  # weight of a note's later frames (frame_ex) in the velocity term; an onset has 1
    onset_pos_weight: float = 2.0
    offset_pos_weight: float = 2.0
    frame_pos_weight: float = 1.0
    pedal_kind: str = "bce"  # as ``kind``, for the pedals
    pedal_pos_weight: float = 1.0
    focal_gamma: float = 2.0


@dataclass(frozen=True)
class DataConfig:
    """Where windows come from. Folders hold same-basename audio and MIDI; ``midi`` is rendered by ``synth``.

    ``"maestro"`` stands for wherever this machine has it, ``"miniature"`` for the generated one.
    """

    recordings: tuple[str, ...] = ()
    keep_unequal: bool = False  # also train on pairs whose audio and MIDI are not of one length
    recordings_weight: float = 1.0
    recordings_velocity: bool = True  # False: each piano has a law of its own, only differences in a window count
    midi: tuple[str, ...] = ()  # folders or a MAESTRO zip, rendered on the fly
    midi_weight: float = 1.0
    midi_split: str = "train"
    pianos: tuple[str, ...] = ()
    drill_share: float = 0.0  # of what is rendered: made up as pieces hardly are (see amt_utils.drills)
    impulse_responses: str | None = None
    noise: str | None = None  # a folder of what is heard beside a piano
    noise_share: float = 0.3  # of windows that have some of it,
    noise_decibels: tuple[float, ...] = (5.0, 30.0)  # so far below the music
    device_share: float = 0.0  # of windows recorded by a phone or the like (see amt_utils.devices)
    validation: tuple[str, ...] = ()
    validation_limit: int | None = None  # recordings scored after each epoch; None scores all
    window_seconds: float = 10.0
    augment: bool = True
    workers: int = 0


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast. An epoch is ``steps_per_epoch`` optimizer steps; windows are drawn with replacement."""

    batch_size: int = 8
    accumulate: int = 1
    steps_per_epoch: int = 500
    epochs: int = 100
    optimizer: str = "muon"  # or "adamw"
    learning_rate: float = 4e-3
    warmup_steps: int = 200
    total_steps: int | None = None  # where the cosine reaches its floor; None: epochs * steps_per_epoch
    final_rate: float = 0.02  # of learning_rate
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    precision: str = "auto"  # "32", "bf16-mixed", "16-mixed"; auto takes bf16 where the hardware has it
    checkpoint_every_steps: int = 100
    seed: int = 1


@dataclass(frozen=True)
class DecodeConfig:
    """Thresholds on probabilities; tuned on validation recordings and stored in the checkpoint's card."""

    onset_threshold: float = 0.4
    onset_refinement: bool = True  # onsets between frames, from a peak's two neighbours; False: on the frame grid
    frame_threshold: float = 0.3
    offset_threshold: float = 0.3
    key_offset_threshold: float = 0.3
    pedal_threshold: float = 0.5
    min_note_seconds: float = 0.03
    time_shift: float = 0.0  # seconds added to every time of a note
    pedal_release_shift: float = 0.0  # seconds: dampers are on the strings before the pedal is half up
    velocity_smoothing: float = 0.0  # 0..1: how far from a note's own velocity to what all notes together tell


@dataclass(frozen=True)
class Config:
    """All of it."""

    feature: FeatureConfig = field(default_factory=FeatureConfig)
    target: TargetConfig = field(default_factory=TargetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings: ready for JSON and for Lightning's hyper-parameters."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, where: str = "configuration") -> Config:
        """The inverse of :meth:`to_dict`; missing fields take their defaults, unknown ones are an error."""
        return _build(cls, values, where)

    def replace(self, **changes: dict[str, Any]) -> Config:
        """``config.replace(train={"epochs": 3})``: a copy with some fields of some sections changed."""
        sections = {name: dataclasses.replace(getattr(self, name), **fields) for name, fields in changes.items()}
        return dataclasses.replace(self, **sections)


def _build(kind: type, values: dict[str, Any], where: str):
    if not isinstance(values, dict):
        raise AmtError(f"{where}: expected an object with fields, found {values!r}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields) - _RETIRED)
    if unknown:
        raise AmtError(f"{where}: unknown field {unknown[0]!r}; known: {', '.join(fields)}")
    built = {}
    for name, value in values.items():
        if name in _RETIRED:
            continue
        default = fields[name].default_factory if fields[name].default is dataclasses.MISSING else None
        if dataclasses.is_dataclass(default):
            value = _build(default, value, f"{where}.{name}")
        else:
            value = tuple(value) if isinstance(value, list) else value
            if not _fits(value, fields[name].type):
                raise AmtError(f"{where}.{name}: expected {fields[name].type}, found {value!r}")
        built[name] = value
    return kind(**built)


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value read from JSON may stand in a field so annotated."""
    wanted = annotation.removesuffix(" | None")
    if value is None:
        return wanted != annotation
    kinds = {"float": (int, float), "int": int, "str": str, "bool": bool}
    kind = kinds.get(wanted.split("[")[0], tuple)
    return isinstance(value, kind) and (wanted == "bool" or not isinstance(value, bool))


def config_names() -> list[str]:
    """The configurations that come with the package."""
    return sorted(p.stem for p in _CONFIGS.glob("*.json"))


def load_config(path: str | os.PathLike) -> Config:
    """A JSON file, or the name of one in the package (``"tiny"``) -> :class:`Config`.

    Raises:
        AmtError: names the file and the field.
    """
    path = Path(path)
    if not path.exists() and (_CONFIGS / f"{path}.json").exists():
        path = _CONFIGS / f"{path}.json"
    try:
        return Config.from_dict(json.loads(path.read_text()), where=str(path))
    except (OSError, ValueError) as error:
        known = ", ".join(config_names())
        raise AmtError(f"{path}: cannot read the configuration ({error}); shipped ones: {known}") from error


def change_config(config: Config, settings: list[str]) -> Config:
    """``["train.epochs=3", "model.size=base"]`` -> the configuration with these fields changed.

    Raises:
        AmtError: a setting is not of that form, or names no field.
    """
    values = config.to_dict()
    for setting in settings:
        name, equals, text = setting.partition("=")
        section, dot, field_name = name.partition(".")
        if not (equals and dot and section in values):
            raise AmtError(f"{setting!r}: expected section.field=value; sections: {', '.join(values)}")
        try:
            value = json.loads(text)
        except ValueError:
            value = text  # a bare word is a string
        values[section][field_name] = value
    return Config.from_dict(values, where="settings")


def save_config(config: Config, path: str | os.PathLike) -> Path:
    """:class:`Config` -> an indented JSON file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    return path
