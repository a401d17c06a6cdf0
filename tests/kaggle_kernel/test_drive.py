"""The Kaggle driver against a stand-in for Kaggle's tool; the kernel's code file in a copy of /kaggle's layout."""

import importlib.util
import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from helpers_store import pretend_checkpoint

from amt_utils.checkpoints.inventory import find_newest
from amt_utils.config import Config, save_config
from amt_utils.system.kaggle import Kaggle, plain_log

ROOT = Path(__file__).parents[2]
SECRET = "5ecret-k3y-of-nobody"

# A session with the real code file, except that pip is not called and the training only pretends.
SESSION = """
import importlib.util, shutil, sys
from pathlib import Path
sys.path.insert(0, {root!r})
spec = importlib.util.spec_from_file_location("script", "script.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
script.install_package = lambda: None

class Drive:  # stands in for gdown: one shared folder
    def download_folder(url, output, **_):
        if not Path({home!r}, "drive").is_dir():
            raise RuntimeError("Cannot retrieve the folder information from the link")
        shutil.copytree(Path({home!r}, "drive"), output, dirs_exist_ok=True)
        return []

sys.modules["gdown"] = Drive

def train(config, weights=None):
    from amt_utils.checkpoints.inventory import find_newest
    script.RUN.mkdir(parents=True, exist_ok=True)
    found, _ = find_newest([script.RUN])
    step = (found.step if found else 0) + 10 * {epochs}
    if {epochs}:
        made = Path({made!r})  # made beforehand: making them here would import torch in every session
        for suffix in (".pt", ".json"):
            shutil.copy(made / f"step_{{step:08d}}{{suffix}}", script.RUN)
    (script.WORKING / "training.log").write_text(f"now at step {{step}}\\n")
    print("training", script.JOB["id"], "from", weights)
    if {status} < 0:  # Kaggle ends the session: no result.json
        sys.exit()
    return {status}

script.train = train
script.main()
"""


def load_driver():
    spec = importlib.util.spec_from_file_location("drive", ROOT / "kaggle_kernel" / "drive.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["drive"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def driver(monkeypatch, tmp_path):
    module = load_driver()

    def wheel(folder, *, dry_run, say=print):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "amt_piano-0-py3-none-any.whl").write_bytes(b"a wheel")
        return folder / "amt_piano-0-py3-none-any.whl"

    monkeypatch.setattr(module, "build_wheel", wheel)
    return module


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Checkpoints of steps 10, 20, …"""
    folder = tmp_path_factory.mktemp("made")
    for step in range(10, 100, 10):
        pretend_checkpoint(folder, step)
    return folder


@pytest.fixture
def kaggle(tmp_path, monkeypatch, made):
    """The stand-in on the PATH; ``kaggle(plan)`` sets what goes wrong, ``kaggle.calls()`` tells what was called."""
    home, bin_folder = tmp_path / "kaggle.com", tmp_path / "bin"
    home.mkdir()
    bin_folder.mkdir()
    tool = bin_folder / "kaggle"
    shutil.copy(ROOT / "tests" / "stand_in_kaggle.py", tool)
    tool.write_text(f"#!{sys.executable} -IS\n" + tool.read_text())
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(home))
    monkeypatch.setenv("KAGGLE_KEY", SECRET)

    class StandIn:
        folder = home

        def __call__(self, epochs=2, status=0, **plan):
            (home / "plan.json").write_text(json.dumps({k.replace("_", " "): v for k, v in plan.items()}))
            (home / "session.py").write_text(
                SESSION.format(root=str(ROOT), made=str(made), home=str(home), epochs=epochs, status=status)
            )

        def calls(self, *command):
            lines = (home / "calls.jsonl").read_text().splitlines() if (home / "calls.jsonl").exists() else []
            return [c for c in map(json.loads, lines) if c[: len(command)] == list(command)]

    stand_in = StandIn()
    stand_in()
    return stand_in


@pytest.fixture
def run(driver, tmp_path, capsys):
    config = save_config(Config().replace(train={"steps_per_epoch": 10}), tmp_path / "config.json")

    def run(*more, epochs=4, expect=0):
        words = ["--owner", "clara", "--config", str(config), "--epochs", str(epochs)]
        words += ["--store", str(tmp_path / "store"), "--mirror", str(tmp_path / "mirror")]
        words += ["--poll", "0.02", "--pause", "0.01", *more]
        assert driver.main(words) == expect
        captured = capsys.readouterr()
        return captured.out + captured.err

    return run


def test_the_round_trip_until_all_epochs_are_trained(kaggle, run, tmp_path):
    said = run()
    assert "all 4 epochs are trained" in said
    assert len(kaggle.calls("kernels", "push")) == 2
    for folder in ("store", "mirror"):
        newest, skipped = find_newest([tmp_path / folder])
        assert (newest.step, skipped) == (40, [])
    # the package went up once, the checkpoints before each session
    uploads = kaggle.calls("datasets", "create") + kaggle.calls("datasets", "version")
    assert len(uploads) == 3
    assert all("--dir-mode" in call for call in uploads)
    push = kaggle.calls("kernels", "push")[0]
    assert push[push.index("--accelerator") + 1] == "NvidiaTeslaT4"
    assert 11 * 3600 < int(push[push.index("--timeout") + 1]) < 12 * 3600
    assert "training" in said  # the session's log was shown
    assert (tmp_path / "store" / "training.log").read_text() == "now at step 20\nnow at step 40\n"


@pytest.mark.parametrize(
    "trouble",
    [
        {"kernels_push": ["network", "refused"]},
        {"kernels_push": ["answer lost"]},
        {"kernels_output": ["half", "network", "half"]},
        {"kernels_status": ["network", "network"], "quota": ["network"]},
        {"datasets_version": ["network"], "datasets_create": ["answer lost", "network"]},
    ],
    ids=lambda t: "-".join(t),
)
def test_trouble_is_overcome(kaggle, run, tmp_path, trouble):
    kaggle(**trouble)
    said = run()
    assert "all 4 epochs are trained" in said
    assert find_newest([tmp_path / "store"])[0].step == 40
    assert (kaggle.folder / "pushes").read_text() == "xx"  # no session was started twice
    if "kernels_output" in trouble:
        assert "different hash" in said or "cut short" in said


def test_used_up_hours_stop_it_before_anything_is_pushed(kaggle, run):
    kaggle(hours=0.3)
    assert "used up; new ones come at Saturday" in run()
    assert kaggle.calls("kernels", "push") == []


def test_a_push_refused_for_the_quota_is_not_repeated(kaggle, run):
    kaggle(kernels_push=["quota"])
    assert "weekly GPU quota" in run()
    assert len(kaggle.calls("kernels", "push")) == 1


def test_few_hours_left_shorten_the_session(kaggle, run):
    kaggle(hours=3.0)
    run(epochs=2)
    push = kaggle.calls("kernels", "push")[0]
    assert int(push[push.index("--timeout") + 1]) == int(2.75 * 3600) + 1800


def test_no_credential_is_printed_or_stored(kaggle, run, tmp_path):
    kaggle(kernels_push=["network"] * 9)
    said = run(expect=1)
    assert "Read timed out" in said or "•••" in said
    assert SECRET not in said
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_killed_driver_goes_on_watching_its_session(kaggle, driver, run, tmp_path, monkeypatch):
    def killed(plan, kaggle):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(driver, "watch", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    said = run("--rounds", "1")
    assert "a session is under way" in said
    assert len(kaggle.calls("kernels", "push")) == 1
    assert find_newest([tmp_path / "store"])[0].step == 20


def test_sessions_that_bring_nothing_end_it_with_the_reason(kaggle, run):
    kaggle(epochs=0, status=3)
    said = run()
    assert "3 sessions in a row brought no new step" in said
    assert "status 3" in said
    assert len(kaggle.calls("kernels", "push")) == 3


def test_a_broken_output_still_yields_its_valid_checkpoint(kaggle, run, tmp_path):
    kaggle(kernels_output=["half"] * 6)
    said = run("--rounds", "2")
    assert "given up on the complete output" in said
    assert find_newest([tmp_path / "store"])[0].step in (20, 40)


def test_a_session_that_kaggle_ended_loses_only_its_last_steps(kaggle, run, tmp_path):
    kaggle(status=-1, end="CANCEL_ACKNOWLEDGED")  # at twelve hours
    said = run("--rounds", "2")
    assert "CANCEL_ACKNOWLEDGED" in said and "given up on the complete output" in said
    assert find_newest([tmp_path / "store"])[0].step == 40  # both sessions' checkpoints were fetched


# ---- runs that began elsewhere

SHARED = "https://drive.google.com/drive/folders/1abc"
MODEL = "clara/amt-piano/pytorch/tiny/1"


@pytest.mark.parametrize("place", [SHARED, "clara/an-older-run", MODEL])
def test_it_goes_on_from_drive_a_data_set_or_a_model(kaggle, run, made, tmp_path, place):
    folder = kaggle.folder / {SHARED: "drive", MODEL: "models/amt-piano"}.get(place, "datasets/clara__an-older-run/1")
    pretend_checkpoint(folder, 30)
    said = run("--from", place, "--rounds", "1")
    assert "going on from step_00000030.pt" in said
    assert find_newest([tmp_path / "store"])[0].step == 50
    run("--from", place, "--rounds", "1", epochs=7)
    assert find_newest([tmp_path / "store"])[0].step == 70  # from then on the driver's own checkpoint is the newest


def test_weights_without_a_checkpoint_are_what_a_run_begins_with(kaggle, run, tmp_path):
    folder = kaggle.folder / "models" / "amt-piano"
    pretend_checkpoint(folder, 30, score=0.8).unlink()
    (folder / "best.safetensors").rename(folder / "model.safetensors")
    (folder / "best.json").rename(folder / "model.json")
    said = run("--from", MODEL, "--rounds", "1")
    assert "beginning with the weights model.safetensors" in said and "/model.safetensors" in said.split(" from ")[-1]
    assert find_newest([tmp_path / "store"])[0].step == 20


def test_a_run_is_not_begun_anew_when_its_place_holds_nothing(kaggle, run, tmp_path):
    said = run("--from", SHARED)  # not shared
    assert "share the folder with" in said and "nothing to go on from" in said
    damaged = pretend_checkpoint(kaggle.folder / "drive", 30)
    os.truncate(damaged, 100)
    said = run("--from", SHARED)
    assert "cut short" in said and "nothing to go on from" in said
    assert find_newest([tmp_path / "store"])[0] is None
    with pytest.raises(SystemExit):
        run("--from", "clara/amt-piano/pytorch")


# ---- generations of Kaggle's tool


@pytest.mark.parametrize("version", ["1.6.17", "1.8.4"])
def test_an_older_tool_is_refused_with_a_word(kaggle, run, version):
    kaggle(version=version)
    assert f"kaggle {version} is too old" in run(expect=1)
    assert kaggle.calls() == []
    run("--dry-run")


def test_a_newer_tool_is_used_with_a_word(kaggle, run):
    kaggle(version="3.0.1")
    said = run("--rounds", "1")
    assert "kaggle 3.0.1 is newer" in said and "round 1: trained" in said


def test_dry_run_prints_every_call_and_makes_none(kaggle, run, tmp_path):
    said = run("--dry-run")
    for words in ("quota", "datasets create", "kernels push", "kernels status", "kernels logs", "kernels output"):
        assert f"$ kaggle {words}" in said
    assert kaggle.calls() == []
    assert find_newest([tmp_path / "store"])[0] is None


def test_metadata_has_every_field():
    card = json.loads((ROOT / "kaggle_kernel" / "kernel-metadata.json").read_text())
    wanted = "id title code_file language kernel_type is_private enable_gpu enable_tpu enable_internet machine_shape "
    wanted += "docker_image_pinning_type keywords dataset_sources competition_sources kernel_sources model_sources"
    assert set(card) == set(wanted.split())
    assert card["is_private"] is True and card["enable_gpu"] is True
    assert (ROOT / "kaggle_kernel" / card["code_file"]).is_file()


def test_the_log_is_read_in_kaggles_shape_and_any_other():
    assert plain_log('[{"stream_name": "stdout", "time": 1.5, "data": "a\\n"}, {"data": "b\\n"}]') == "a\nb\n"
    assert plain_log("plain text") == "plain text"


def test_a_missing_tool_is_named():
    from amt_utils.system.errors import AmtError

    with pytest.raises(AmtError, match="pip install kaggle"):
        Kaggle("no-such-tool-anywhere")
