#!/usr/bin/env bash
# Makes everything ready, and runs what it is asked for:
#
#   bash colab_setup.sh           install what is missing
#   bash colab_setup.sh demo      ... and transcribe the embedded recording into demo_output/
#   bash colab_setup.sh test      ... and run every check
#
# On Colab, on Kaggle, in an active virtual or conda environment, or with AMT_PYTHON naming an interpreter, only
# what is missing is installed there, under constraints taken from what is there: torch, numpy and the rest stay
# as they are. Anywhere else a virtual environment is made in .venv. Running it again is quick and changes nothing.
set -euo pipefail

TORCH="torch==2.13.0"

say() { printf '%s\n' "$*"; }
fail() { printf 'colab_setup.sh: %s\n' "$*" >&2; exit 1; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in python3 python python3.12 python3.13 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "needs Python 3.11 or newer, and found none. Install one from https://www.python.org/downloads" \
        "(Debian, Ubuntu: sudo apt install python3 python3-venv), or name one: AMT_PYTHON=/path/to/python"
}

python_of() { # the interpreter of an environment, on Linux, macOS and Windows
    local name
    for name in "$1/bin/python" "$1/Scripts/python.exe" "$1/python.exe"; do
        if [ -x "$name" ]; then printf '%s\n' "$name"; return; fi
    done
    return 1
}

make_environment() {
    local base
    base=$(find_python) || exit 1
    say "Making a virtual environment in .venv with $("$base" --version) ..."
    if ! "$base" -m venv --clear .venv >.venv.log 2>&1 && ! "$base" -m virtualenv --quiet .venv >>.venv.log 2>&1; then
        sed 's/^/    /' .venv.log >&2
        rm -rf .venv .venv.log
        fail "no virtual environment could be made. Debian, Ubuntu: sudo apt install python3-venv." \
            "Elsewhere: $base -m pip install --user virtualenv. Then run this again."
    fi
    rm -f .venv.log
}

choose_python() { # sets PYTHON, and SHARED to 1 where the environment is not ours
    SHARED=1
    if [ -n "${AMT_PYTHON:-}" ]; then
        PYTHON=$AMT_PYTHON
    elif [ -n "${COLAB_RELEASE_TAG:-}${COLAB_GPU:-}${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then
        PYTHON=$(find_python) || exit 1
    elif [ -n "${VIRTUAL_ENV:-}" ] && PYTHON=$(python_of "$VIRTUAL_ENV"); then
        :
    elif [ -n "${CONDA_PREFIX:-}" ] && PYTHON=$(python_of "$CONDA_PREFIX"); then
        :
    else
        SHARED=0
        if ! { PYTHON=$(python_of .venv) && is_new_enough "$PYTHON"; }; then
            make_environment
            PYTHON=$(python_of .venv)
        fi
    fi
    is_new_enough "$PYTHON" || fail "$PYTHON is no Python 3.11 or newer; activate another environment or none"
}

# What is still to be installed, one requirement a line: of requirements.txt, of the extras named as arguments,
# torch, and "." for the package itself. In a shared environment another version than asked for is left alone.
list_missing() {
    "$PYTHON" -P - "$SHARED" "$TORCH" "$@" <<'PY'
import importlib.metadata as metadata
import json
import pathlib
import sys
import tomllib
import urllib.parse
import urllib.request

try:
    from packaging.requirements import Requirement
except ImportError:
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        sys.exit(f"colab_setup.sh: {sys.executable} has no pip; run: {sys.executable} -m ensurepip")
shared, torch, extras = sys.argv[1] == "1", sys.argv[2], sys.argv[3:]
lines = [line.split("#")[0].strip() for line in pathlib.Path("requirements.txt").read_text().splitlines()]
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
for extra in extras:
    lines += project["optional-dependencies"][extra]


def is_there(requirement):
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return shared or version is None or requirement.specifier.contains(version, prereleases=True)


def package_is_there():
    """Installed from this folder, since pyproject.toml last changed."""
    try:
        package = metadata.distribution(project["name"])
        url = json.loads(package.read_text("direct_url.json") or "{}").get("url", "")
        here = pathlib.Path(urllib.request.url2pathname(urllib.parse.urlparse(url).path)) == pathlib.Path.cwd()
        written = package.locate_file(f"{project['name'].replace('-', '_')}-{package.version}.dist-info/METADATA")
        return here and written.stat().st_mtime >= pathlib.Path("pyproject.toml").stat().st_mtime
    except (metadata.PackageNotFoundError, OSError):
        return False


for requirement in map(Requirement, filter(None, lines)):
    if (not requirement.marker or requirement.marker.evaluate()) and not is_there(requirement):
        print(torch if requirement.name == "torch" else requirement)
if not package_is_there():
    print(".")
PY
}

# name==version of what is installed; with arguments, of these names alone
list_constraints() {
    "$PYTHON" -P - "$@" <<'PY'
import importlib.metadata as metadata
import re
import sys

seen = {}
for package in metadata.distributions():
    name, version = package.metadata["Name"], package.metadata["Version"]
    if name and version and re.fullmatch(r"\d[\w.!+-]*", version):
        seen.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
for name, version in sorted(seen.items()):
    if name not in ("pip", "setuptools", "wheel", "amt-piano") and (len(sys.argv) < 2 or name in sys.argv[1:]):
        print(f"{name}=={version}")
PY
}

pip_install() { "$PYTHON" -m pip install --quiet --disable-pip-version-check "$@"; }

install() { # the requirements given, one a word
    local constraints
    "$PYTHON" -m pip --version >/dev/null 2>&1 || fail "$PYTHON has no pip; run: $PYTHON -m ensurepip"
    if [ "$SHARED" = 0 ]; then
        pip_install "$@" && return
        fail "installing failed (above is pip's reason). Check the network and the free space, then run this again;" \
            "what is already there is kept"
    fi
    constraints=$(mktemp)
    # shellcheck disable=SC2064
    trap "rm -f '$constraints'" EXIT
    list_constraints >"$constraints"
    pip_install --constraint "$constraints" "$@" && return
    say "These do not fit everything that is installed here; trying again with only torch, numpy and the like kept ..."
    list_constraints torch torchvision torchaudio numpy numba llvmlite scipy pandas scikit-learn matplotlib librosa \
        ipython ipykernel ipywidgets jax tensorflow >"$constraints"
    pip_install --constraint "$constraints" "$@" && return
    fail "installing failed (above is pip's reason). On Kaggle, switch on Internet in the notebook's settings;" \
        "elsewhere check the network and the free space. Then run this again"
}

set_up() { # the extras given
    local missing=() line package=0 listing
    choose_python
    listing=$(list_missing "$@") || exit 1
    while IFS= read -r line; do
        case $line in
            "") ;;
            .) package=1 ;;
            torch=*) say "Installing $line (the largest part) ..." && install "$line" ;; # first: the rest must fit it
            *) missing+=("$line") ;;
        esac
    done <<<"$listing"
    if [ ${#missing[@]} -gt 0 ]; then
        say "Installing ${missing[*]%%[<>=]*} ..."
        install "${missing[@]}"
    fi
    if [ $package = 1 ]; then
        say "Installing amt-piano from this folder ..."
        pip_install --no-deps --editable . || fail "the package itself could not be installed (above is pip's reason)"
    fi
}

main() {
    local self style=0 types=0 tests=0 checking
    self=$(readlink -f -- "${BASH_SOURCE[0]}" 2>/dev/null) || self=${BASH_SOURCE[0]}
    cd "$(dirname -- "$self")"
    case ${1:-} in
        "")
            set_up
            say "Ready, with $("$PYTHON" --version) at $PYTHON"
            ;;
        demo)
            set_up
            exec "$PYTHON" -m amt_utils demo "${@:2}"
            ;;
        test)
            set_up test docs
            say "ruff ..."
            "$PYTHON" -m ruff check . || style=$?
            "$PYTHON" -m mypy >.mypy.log 2>&1 & # a minute when its cache is cold: beside the tests
            checking=$!
            say "pytest ..."
            # one process per core, one thread each: threads of one process would wait for each other
            OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$PYTHON" -m pytest -n auto --dist worksteal "${@:2}" || tests=$?
            wait "$checking" || types=$?
            say "mypy ..."
            cat .mypy.log
            rm -f .mypy.log
            [ "$tests" = 0 ] || exit "$tests"
            [ "$style" = 0 ] || fail "every test passed, but ruff has something to say (see above)"
            [ "$types" = 0 ] || fail "every test passed, but mypy has something to say (see above)"
            ;;
        *) fail "does not know '$1'; use it plain, with demo, or with test" ;;
    esac
}

main "$@"
