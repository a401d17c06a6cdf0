"""Every command in the documentation exists, takes these options, and changes fields that there are."""

import re
import shlex
from pathlib import Path

import pytest

from amt_utils.__main__ import COMMANDS, build_parser
from amt_utils.config import Config, change_config, config_names
from amt_utils.system.errors import AmtError
from amt_utils.training.ablation import ROWS
from kaggle_kernel import drive

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((REPOSITORY / "docs").glob("*.md"))
FENCED = re.compile(r"^```(?:bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SUBPARSERS = build_parser()._subparsers._group_actions[0].choices
OPTIONS = {name: {*parser._option_string_actions, "--help"} for name, parser in SUBPARSERS.items()}
OTHER_PROGRAMS = (Path(drive.__file__), REPOSITORY / "tests" / "faults" / "__main__.py")
OTHERS = {option for path in OTHER_PROGRAMS for option in re.findall(r'"(--[\w-]+)"', path.read_text(encoding="utf-8"))}


def split(text):
    try:
        return shlex.split(text, comments=True)
    except ValueError:  # an apostrophe, not a quotation mark
        return text.split()


def arguments_of(words):
    """What follows ``python -m amt_utils`` or ``amt-piano``, up to ``&&``, ``>`` or ``|``; None for other programs."""
    for begin, word in enumerate(words):
        if word == "amt-piano" or words[begin - 1 : begin + 1] == ["-m", "amt_utils"]:
            rest = words[begin + 1 :]
            return rest[: min((rest.index(end) for end in ("&&", ">", "|") if end in rest), default=len(rest))]
    return None


def find_problems(text):
    """What is wrong with the commands of a page."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from problems_of_line(line)
    for code in INLINE.findall(FENCED.sub("", text)):
        words = split(code)
        arguments = arguments_of(words)
        if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
            yield f"no such command: {code}"
        arguments = arguments or words
        if arguments and (arguments[0] in COMMANDS or arguments[0].startswith("--")):
            known = OPTIONS.get(arguments[0]) or {"--version"}.union(OTHERS, *OPTIONS.values())
            options = {word.partition("=")[0] for word in arguments if word.startswith("--")}
            yield from (f"no such option {option}: {code}" for option in sorted(options - known))
            yield from problems_of_settings(arguments)


def problems_of_line(line):
    """What is wrong with a line of a shell block: the whole of it must be right."""
    words = split(line)
    arguments = arguments_of(words)
    try:
        if arguments is not None:
            build_parser().parse_args(arguments)
            yield from problems_of_settings(arguments)
        elif "kaggle_kernel.drive" in words:
            drive.parse(words[words.index("kaggle_kernel.drive") + 1 :])
    except SystemExit as error:
        if error.code:
            yield f"cannot be run: {line}"
    for word in words:
        if re.fullmatch(r"(?:tests|docs|kaggle_kernel|notebooks)/[\w/.]+", word) and not (REPOSITORY / word).exists():
            yield f"no such file {word}: {line}"


def problems_of_settings(words):
    for last, word in zip(words, words[1:]):
        if last == "--config" and "/" not in word and not word.isupper() and word not in config_names():
            yield f"no such configuration: {word}"
        if last == "--set" and "VALUE" not in word:
            try:
                change_config(Config(), [word])
            except AmtError as error:
                yield str(error)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist_with_these_options(page):
    assert not list(find_problems(page.read_text(encoding="utf-8")))


def test_rows_named_in_the_text_exist():
    text = (REPOSITORY / "docs" / "asked.md").read_text(encoding="utf-8")
    for names in re.findall(r"\brows? ((?:`[\w-]+`(?:, | and )?)+)", text):
        assert set(re.findall(r"`([\w-]+)`", names)) <= set(ROWS)


@pytest.mark.parametrize(
    "text",
    [
        "```bash\npython -m amt_utils transcribe take.wav --no-such-option\n```\n",
        "```bash\namt-piano adapt --recordings takes\n```\n",  # without --out
        "```bash\npython -m amt_utils train --config tiny --set model.no_such_field=1\n```\n",
        "```bash\npython tests/no_such_test.py\n```\n",
        "`python -m amt_utils no-such-command`",
        "`transcribe --no-such-option`",
        "`train --config no-such-configuration`",
        "`--set loss.kind=no-such-loss`",
    ],
)
def test_a_wrong_command_is_noticed(text, capsys):
    assert list(find_problems(text))
