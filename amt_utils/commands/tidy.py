"""``python -m amt_utils tidy``."""

from __future__ import annotations

import argparse

from ..data.tidy import apply_renames, check_pairs, plan_renames, undo_renames, write_report


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``tidy`` to the command line."""
    parser.add_argument("folder")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--apply", action="store_true", help="rename; without it, only say what would be renamed")
    group.add_argument("--undo", action="store_true", help="take the renaming back")
    parser.add_argument("--listen", action="store_true", help="also measure offset and drift of every pair")
    parser.add_argument("--report", help="write what was found to this CSV file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.undo:
        print(f"{undo_renames(args.folder)} files have their old names back")
        return 0
    renaming = plan_renames(args.folder)
    print(renaming)
    if args.apply:
        print(f"{apply_renames(renaming)} files renamed; --undo takes it back")
    elif renaming.pairs:
        print(f"{len(renaming.pairs)} files would be renamed; --apply does it")
    findings = check_pairs(args.folder, listen=args.listen)
    for finding in findings:
        if finding.status != "ok":
            print(f"{finding.status}: {finding.name}: {finding.reason}")
    kept = sum(finding.status != "excluded" for finding in findings)
    print(f"{kept} pairs kept, {len(findings) - kept} files or pairs excluded")
    if args.report:
        print(f"report: {write_report(findings, args.report)}")
    return 0
