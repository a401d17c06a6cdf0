"""The one configuration: frozen dataclasses <-> plain dict <-> JSON, saved beside every checkpoint.

Every constant that a module needs (sample rate, bins, dilations, thresholds) is derived from here.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from .music.notes import N_KEYS
from .system.errors import AmtError
from .system.files import parse_json, read_text, written_whole
from .system.paths import package_folder

_CONFIGS = package_folder() / "configs"
KEY_ROLLS = ("onset", "offset", "key_offset", "frame", "velocity")  # logits of each key, (T, 88)
# fields of older weights and checkpoints that are ignored now
_RETIRED = {"chunk_seconds", "frame_threshold", "offset_threshold", "key_offset_threshold"}
ROLLS = (*KEY_ROLLS, "pedal")  # and of the three pedals, (T, 3)
DECODE_SETTING_HELP = "how notes are decoded, e.g. decode.onset_threshold=0.5 (lower: more notes, more of them wrong)"

CONFIG_BYTES = 1_000_000  # more than any configuration file has
_LONGEST_BATCH = 20_000.0  # seconds of audio in one batch


def _within(default: Any, low: float, high: float) -> Any:
    """A field whose number, or each number of whose list, lies in ``low..high``."""
    return field(default=default, metadata={"low": low, "high": high})


def _one_of(default: str, *others: str) -> Any:
    """A field that takes one of several words."""
    return field(default=default, metadata={"words": (default, *others)})


@dataclass(frozen=True)
class FeatureConfig:
    """The network's input. 48 bins per octave are four per key, centred on it."""

    kind: str = _one_of("hcqt", "cqt", "logmel")  # cqt: one channel
    sample_rate: int = _within(16_000, 8_000, 48_000)
    hop_length: int = _within(320, 16, 4_096)
    subframes: int = _within(1, 1, 8)  # instants within a frame, hop_length / subframes apart, as separate channels
    bins_per_octave: int = _within(48, 12, 96)
    harmonics: tuple[float, ...] = _within((0.5, 1.0, 2.0), 0.25, 16.0)
    gamma: float = _within(2.0, 0.5, 100.0)  # Hz added to each bandwidth (variable Q): bass filters last half a second
    n_mels: int = _within(229, 32, 512)

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

    mode: str = _one_of("soft", "grid")
    soft_frames: float = _within(2.0, 0.5, 20.0)  # half width of the triangle, in frames
    ends: str = _one_of("sounding", "key")  # which note ends the offset and frame heads learn
    key_ends: bool = True  # a second offset head learns the key releases, for sheet music and DAWs


@dataclass(frozen=True)
class ModelConfig:
    """A network by name; sizes fill in what is left at ``None`` (see :mod:`amt_utils.models`)."""

    name: str = "residual_hcqt_hppnet"
    size: str = "base"
    stem_channels: int | None = _within(None, 1, 512)
    trunk_channels: int | None = _within(None, 1, 512)
    key_channels: int | None = _within(None, 1, 512)
    key_blocks: int | None = _within(None, 0, 12)
    lstm_hidden: int | None = _within(None, 1, 512)
    hdconv_harmonics: tuple[int, ...] = _within((1, 2, 3, 4, 5, 7), 1, 32)  # with the HCQT's octaves also 6, 8, 10, 14
    residual: bool = True
    register: bool = True  # a bias per frequency bin and per key
    intervals: int = _within(0, 0, 87)  # keys on either side that a key block reads; 0: octaves alone
    detach_onset: bool = True
    dropout: float = _within(0.0, 0.0, 0.9)
    norm: str = _one_of("batch", "instance")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the named terms, and of the rare positive cells within them."""

    kind: str = _one_of("bce", "focal", "dice")
    onset: float = _within(1.0, 0.0, 1_000.0)
    offset: float = _within(0.5, 0.0, 1_000.0)
    key_offset: float = _within(0.5, 0.0, 1_000.0)
    frame: float = _within(1.0, 0.0, 1_000.0)
    velocity: float = _within(3.0, 0.0, 1_000.0)
    pedal: float = _within(1.0, 0.0, 1_000.0)
    frame_target: str = _one_of("frame", "frame_ex")  # frame_ex leaves onset frames out of the frame term
    velocity_after_onset: float = _within(0.3, 0.0, 1.0)  # of a note's later frames (frame_ex); an onset has 1
    onset_pos_weight: float = _within(2.0, 0.001, 1_000.0)
    offset_pos_weight: float = _within(2.0, 0.001, 1_000.0)
    frame_pos_weight: float = _within(1.0, 0.001, 1_000.0)
    pedal_kind: str = _one_of("bce", "focal", "dice")  # as ``kind``, for the pedals
    pedal_pos_weight: float = _within(1.0, 0.001, 1_000.0)
    focal_gamma: float = _within(2.0, 0.0, 10.0)


@dataclass(frozen=True)
class DataConfig:
    """Where windows come from. Folders hold same-basename audio and MIDI; ``midi`` is rendered by ``synth``.

    ``"maestro"`` stands for wherever this machine has it, ``"miniature"`` for the generated one.
    """

    recordings: tuple[str, ...] = ()
    keep_unequal: bool = False  # also train on pairs whose audio and MIDI are not of one length
    recordings_weight: float = _within(1.0, 0.0, 1e6)
    recordings_velocity: bool = True  # False: only differences within a window count
    midi: tuple[str, ...] = ()  # folders or a MAESTRO zip, rendered on the fly
    midi_weight: float = _within(1.0, 0.0, 1e6)
    midi_split: str = _one_of("train", "validation", "test")
    pianos: tuple[str, ...] = ()
    drill_share: float = _within(0.0, 0.0, 1.0)  # of what is rendered: see amt_utils.data.drills
    impulse_responses: str | None = None
    noise: str | None = None  # a folder of background noise
    noise_share: float = _within(0.3, 0.0, 1.0)  # of windows that have noise
    noise_decibels: tuple[float, ...] = _within((5.0, 30.0), -20.0, 120.0)  # how far below the music
    device_share: float = _within(0.0, 0.0, 1.0)  # of windows: see amt_utils.data.devices
    validation: tuple[str, ...] = ()
    validation_limit: int | None = _within(None, 1, 1_000_000)  # recordings scored after each epoch; None scores all
    window_seconds: float = _within(10.0, 0.1, 600.0)
    augment: bool = True
    workers: int = _within(0, 0, 256)


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast. An epoch is ``steps_per_epoch`` optimizer steps; windows are drawn with replacement."""

    batch_size: int = _within(8, 1, 4_096)
    accumulate: int = _within(1, 1, 4_096)
    steps_per_epoch: int = _within(500, 1, 10_000_000)
    epochs: int = _within(100, 1, 1_000_000)
    optimizer: str = _one_of("muon", "adamw")
    learning_rate: float = _within(4e-3, 1e-9, 10.0)
    warmup_steps: int = _within(200, 0, 10_000_000)
    total_steps: int | None = _within(None, 1, 10**12)  # where the cosine ends; None: epochs * steps_per_epoch
    final_rate: float = _within(0.02, 0.0, 1.0)  # of learning_rate
    weight_decay: float = _within(1e-2, 0.0, 10.0)
    clip_norm: float = _within(1.0, 1e-6, 1e6)
    ema_decay: float = _within(0.998, 0.0, 0.999999)
    precision: str = _one_of("auto", "32", "bf16-mixed", "16-mixed")  # auto takes bf16 where the hardware has it
    checkpoint_every_steps: int = _within(100, 1, 10_000_000)
    seed: int = _within(1, 0, 2**31 - 1)


@dataclass(frozen=True)
class DecodeConfig:
    """Thresholds on probabilities; tuned on validation recordings and stored in the checkpoint's card."""

    onset_threshold: float = _within(0.4, 0.0, 1.0)
    onset_refinement: bool = True  # onsets between frames, from a peak's two neighbours; False: on the frame grid
    pedal_threshold: float = _within(0.5, 0.0, 1.0)
    min_note_seconds: float = _within(0.03, 0.0, 10.0)
    time_shift: float = _within(0.0, -1.0, 1.0)  # seconds added to onsets: a hammer strikes after its key goes down
    release_shift: float = _within(0.0, -1.0, 1.0)  # seconds added to the ends of notes
    pedal_release_shift: float = _within(0.0, -1.0, 1.0)  # seconds: dampers touch before the pedal is half up
    velocity_smoothing: float = _within(0.0, 0.0, 1.0)  # 0: each note's own estimate, 1: the estimate from all notes


@dataclass(frozen=True)
class Config:
    """All sections."""

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
        """The inverse of :meth:`to_dict`; missing fields take their defaults.

        Raises:
            AmtError: an unknown field, or a value out of its field's range; the message begins with ``where`` and the
                field's name.
        """
        sections = {f.name: f for f in dataclasses.fields(cls)}
        _check_names(values, sections, where)
        built = {}
        for name, section in sections.items():
            kind = cast(type, section.default_factory)
            fields = values.get(name, {})
            if isinstance(fields, dict):
                fields = {field: value for field, value in fields.items() if field not in _RETIRED}
            built[name] = kind(**_checked(kind, fields, f"{where}: {name}"))
        return _check_together(cls(**built), where)

    def replace(self, **changes: dict[str, Any]) -> Config:
        """``config.replace(train={"epochs": 3})``: a copy with some fields of some sections changed.

        Raises:
            AmtError: as :meth:`from_dict`.
        """
        sections = {
            name: dataclasses.replace(getattr(self, name), **_checked(type(getattr(self, name)), fields, name))
            for name, fields in changes.items()
        }
        return _check_together(dataclasses.replace(self, **sections), "configuration")

    def with_names_alone(self) -> Config:
        """A copy whose data are named without the folders they lie in, which mean nothing on another machine."""
        data = {f.name: getattr(self.data, f.name) for f in dataclasses.fields(DataConfig)}
        several = {k: tuple(Path(p).name for p in data[k]) for k in ("recordings", "midi", "pianos", "validation")}
        single = {k: Path(data[k]).name for k in ("impulse_responses", "noise") if data[k]}
        return self.replace(data=several | single)


def _check_names(values: Any, known: dict[str, Any], where: str) -> None:
    if not isinstance(values, dict):
        raise AmtError(f"{where}: expected an object with fields, found {_shown(values)}")
    for name in values:
        if name not in known:
            raise AmtError(f"{where}: unknown field {_shown(name)}; known: {', '.join(known)}")


def _checked(kind: type, values: Any, where: str) -> dict[str, Any]:
    """``values`` for the fields of the section ``kind``: lists as tuples, each of its type and in its range."""
    fields = {f.name: f for f in dataclasses.fields(kind)}
    _check_names(values, fields, where)
    checked = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name, value in checked.items():
        problem = _find_problem(value, fields[name])
        if problem:
            raise AmtError(f"{where}.{name}: {problem}, found {_shown(value)}")
    return checked


def _find_problem(value: Any, known: dataclasses.Field) -> str | None:
    """What is wrong with a value for this field, or None."""
    annotation, limits = str(known.type), known.metadata
    inner = annotation.removesuffix(" | None")
    if value is None:
        return None if inner != annotation else f"expected {annotation}"
    several = inner.startswith("tuple[")
    if several and not (isinstance(value, tuple) and len(value) <= 1_000):
        return "expected a list"
    if several and not value and "low" in limits:
        return "expected at least one number"
    kind = inner.removeprefix("tuple[").removesuffix(", ...]")
    accepted = {"float": (int, float), "int": (int,), "str": (str,), "bool": (bool,)}[kind]
    for item in value if several else (value,):
        if not isinstance(item, accepted) or (isinstance(item, bool) and kind != "bool"):
            return f"expected {annotation}"
        if "low" in limits and not limits["low"] <= item <= limits["high"]:  # also NaN
            return f"expected {limits['low']:g} to {limits['high']:g}"
        if "words" in limits and item not in limits["words"]:
            return f"expected one of {', '.join(limits['words'])}"
        if isinstance(item, str) and (len(item) > 4_096 or not item.isprintable()):
            return "expected a name without control characters"
    return None


def _check_together(config: Config, where: str) -> Config:
    """Checks for values that are valid alone but not together. Raises :class:`AmtError`; returns the configuration."""
    feature, data, train = config.feature, config.data, config.train
    if not 0.001 <= feature.frame_seconds <= 0.1:
        raise AmtError(
            f"{where}: feature.hop_length {feature.hop_length} at feature.sample_rate {feature.sample_rate} makes "
            f"frames of {1000 * feature.frame_seconds:g} ms; expected 1 to 100"
        )
    if feature.bins_per_octave % 12:
        raise AmtError(f"{where}: feature.bins_per_octave must be a multiple of 12, found {feature.bins_per_octave}")
    if train.batch_size * data.window_seconds > _LONGEST_BATCH:
        raise AmtError(
            f"{where}: train.batch_size {train.batch_size} windows of data.window_seconds {data.window_seconds:g} are "
            f"more than {_LONGEST_BATCH:g} s of audio in one batch; use train.accumulate"
        )
    weights = [w for w, names in ((data.recordings_weight, data.recordings), (data.midi_weight, data.midi)) if names]
    if weights and not sum(weights):
        raise AmtError(f"{where}: data.recordings_weight and data.midi_weight leave nothing to train on")
    return config


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def config_names() -> list[str]:
    """The configurations that come with the package."""
    return sorted(p.stem for p in _CONFIGS.glob("*.json"))


def load_config(path: str | os.PathLike) -> Config:
    """A JSON file, or the name of one in the package (``"tiny"``) -> :class:`Config`.

    Raises:
        AmtError: names the file and the field.
    """
    name, path = os.fspath(path), Path(path)
    if not path.is_file():
        if name not in config_names():
            known = ", ".join(config_names())
            raise AmtError(f"{path}: no such configuration file; shipped ones: {known}")
        path = _CONFIGS / f"{name}.json"
    return Config.from_dict(parse_json(read_text(path, limit=CONFIG_BYTES), str(path)), where=str(path))


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
        except (ValueError, RecursionError):
            value = text  # a bare word is a string
        values[section][field_name] = value
    return Config.from_dict(values, where="settings")


def save_config(config: Config, path: str | os.PathLike) -> Path:
    """:class:`Config` -> an indented JSON file."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    return Path(path)
