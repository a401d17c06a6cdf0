"""``python -m amt_utils evaluate``: a folder of recordings, their scores as tables, JSON and a picture."""

from __future__ import annotations

import argparse
import dataclasses

from ..config import DECODE_SETTING_HELP
from ..data.library import find_midi, take_inventory
from ..evaluation.folder import MidiFolder, evaluate, recordings_table, save_scores, systems_table
from ..evaluation.kinds import kinds_table, pool_kinds
from ..evaluation.metrics import ONSET_TOLERANCE
from ..evaluation.nmf import NmfTranscriber
from ..evaluation.phone import PhoneSystem, loss_table
from ..evaluation.pictures import save_picture
from ..music.notes import ENDS
from ..system.cluster import add_cluster_options, choose_shard
from ..system.errors import AmtError
from ..transcription.transcriber import Transcriber


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``evaluate`` to the command line."""
    parser.description = (
        "Transcribes every recording in DIR that has a MIDI file of the same name beside it and prints "
        "precision, recall and F1 in percent: note (onset within 50 ms), +offset (end within 50 ms or 20 %), "
        "+velocity, frame, and the sustain pedal. The MIDI holds key ends and pedals; sounding ends follow from both."
    )
    parser.add_argument("--pairs", metavar="DIR", required=True, help="audio + .mid/.midi of the same basename")
    parser.add_argument("--ends", choices=(*ENDS, "both"), default="both", help="which note ends to compare")
    parser.add_argument("--json", metavar="FILE", help="write all scores of all recordings here")
    parser.add_argument("--picture", metavar="FILE", help="write a bar chart here (.png, .svg or .pdf)")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--limit", metavar="N", type=int, help="only the first N recordings, by name")
    parser.add_argument("--weights", metavar="FILE", help="as for transcribe: a file, a folder, hf:OWNER/NAME")
    parser.add_argument("--set", action="append", default=[], metavar="decode.FIELD=VALUE", help=DECODE_SETTING_HELP)
    parser.add_argument("--midi-folder", metavar="DIR", help="score the .mid files there instead of transcribing")
    parser.add_argument("--baseline", choices=("nmf",), help="score the untrained baseline as well")
    parser.add_argument(
        "--by-kind",
        action="store_true",
        help="also recall, and what was invented, of octaves, repetitions, chords, registers and velocities",
    )
    parser.add_argument(
        "--phone",
        action="store_true",
        help="also each recording as a phone would have made it (noise, microphone, automatic gain, AAC), and the loss",
    )
    parser.add_argument(
        "--references",
        metavar="DIR",
        help="score against the MIDI of the same names there, as `align --out` writes it, not against that beside",
    )
    parser.add_argument(
        "--shift",
        metavar="SECONDS",
        type=float,
        default=0.0,
        help="move the references later by this much first, where the labels are known to be early",
    )
    parser.add_argument(
        "--onset-tolerance",
        metavar="SECONDS",
        type=float,
        default=ONSET_TOLERANCE,
        help="how far from its reference a note's onset may be (default: 0.05, as published scores have it)",
    )
    add_cluster_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils evaluate``; 0 when every recording was scored, 1 otherwise."""
    if args.limit is not None and args.limit < 1:
        raise AmtError(f"--limit must be at least 1, not {args.limit}")
    if not 0 < args.onset_tolerance < 1:
        raise AmtError(f"--onset-tolerance is in seconds, between 0 and 1, not {args.onset_tolerance}")
    if args.phone and args.midi_folder:
        raise AmtError("--phone transcribes each recording anew; it goes with a network, not with --midi-folder")
    inventory = take_inventory(args.pairs)
    for path, reason in inventory.excluded:
        print(f"left out: {path}: {reason}")
    for path in inventory.audio_only:
        print(f"left out: {path}: no {path.stem}.mid beside it")
    recordings = choose_shard(inventory.recordings[: args.limit], args.shard)
    if not recordings:
        raise AmtError(f"{args.pairs}: no pair of audio and MIDI; they must have the same name, as a.flac and a.mid")
    if args.references:
        recordings = [dataclasses.replace(r, midi=find_midi(args.references, r.name)) for r in recordings]
    systems = []
    for system in _systems(args):
        print(f"{getattr(system, 'name', 'network')}: {len(recordings)} recordings", flush=True)
        options = {"reference_shift": args.shift, "onset_tolerance": args.onset_tolerance}
        systems.append(evaluate(recordings, system, on_result=_print_result, cluster=args.cluster, **options))
    shown = ENDS[::-1] if args.ends == "both" else (args.ends,)
    for ends in shown:
        for scores in systems:
            print("\n" + recordings_table(scores, ends, markdown=args.markdown))
        if len(systems) > 1:
            print("\n" + systems_table(systems, ends, markdown=args.markdown))
        for clean, phone in zip(systems, systems[len(systems) // 2 :], strict=False) if args.phone else ():
            print(f"\n{clean.system}\n" + loss_table(clean, phone, ends=ends))
    for scores in systems if args.by_kind else ():
        print("\n" + kinds_table(scores.system, pool_kinds(scores.kinds.values()), markdown=args.markdown))
    if args.json:
        print(f"\nwrote {save_scores(args.json, systems, ends=shown)}")
    if args.picture:
        save_picture(args.picture, systems[0], ends=shown[0])
        print(f"wrote {args.picture}")
    failed = [message for scores in systems for message in scores.failed.values()]
    for message in failed:
        print(f"failed: {message}")
    return 1 if failed else 0


def _systems(args) -> list:
    first = MidiFolder(args.midi_folder) if args.midi_folder else Transcriber(args.weights, settings=args.set)
    systems: list = [first]
    if args.baseline == "nmf":
        systems.append(NmfTranscriber())
    return [*systems, *map(PhoneSystem, systems)] if args.phone else systems


def _print_result(name: str, result: dict | str) -> None:
    if isinstance(result, str):
        print(f"  {name}: failed: {result}", flush=True)
    else:
        print(f"  {name}: note F1 {100 * result['key']['note_f1']:.1f} in {result['seconds']:.1f} s", flush=True)
