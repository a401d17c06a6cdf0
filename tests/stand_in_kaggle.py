"""A stand-in for the ``kaggle`` executable: the same words in, the same sentences and exit codes out (kaggle 2.2.5).

State lies in the folder ``$STAND_IN``: ``calls.jsonl`` (every call), ``datasets/<slug>/<version>/``, ``session/`` (a
folder laid out like ``/kaggle``) and ``plan.json`` — what goes wrong, one entry used up per call of that command:
``{"kernels push": ["network"], "kernels output": ["half"]}`` — the tool's ``"version"``, and the status that sessions
``"end"`` with. A session runs the pushed code file for real when the plan says ``"session": "run"``, and otherwise
``$STAND_IN/session.py``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["STAND_IN"])
PLAN = HOME / "plan.json"


def load(path, default):
    return json.loads(path.read_text()) if path.exists() else default


def mishap(command):
    plan = load(PLAN, {})
    queue = plan.get(command, [])
    found = queue.pop(0) if queue else None
    PLAN.write_text(json.dumps(plan))
    return found


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def versions(dataset):
    folder = HOME / "datasets" / dataset.replace("/", "__")
    return sorted(folder.iterdir(), key=lambda p: int(p.name)) if folder.exists() else []


def fail(text):
    # the real tool prints no credential; a careless one might
    print(f"{text} (key {os.environ.get('KAGGLE_KEY')})", file=sys.stderr)
    sys.exit(1)


def upload(folder):
    card = json.loads((folder / "dataset-metadata.json").read_text())
    assert option("--dir-mode") == "zip", "subfolders would be left out"
    assert 6 <= len(card["id"].split("/")[1]) <= 50 and 6 <= len(card["title"]) <= 50
    assert len(card["licenses"]) == 1
    assert not card.get("subtitle") or 20 <= len(card["subtitle"]) <= 80
    target = HOME / "datasets" / card["id"].replace("/", "__") / str(len(versions(card["id"])) + 1)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("dataset-metadata.json"))
    assert any(target.iterdir()), "Kaggle refuses an empty data set"
    return card["id"]


def datasets_status():
    if not versions(sys.argv[3]):
        fail(f"404 Client Error: Not Found for url: https://www.kaggle.com/api/v1/{sys.argv[3]}")
    counter = HOME / "slow"
    if counter.exists():  # the new version is still being processed
        counter.unlink()
        print(json.dumps({"status": "not_yet_persisted", "current_version_number": len(versions(sys.argv[3])) - 1}))
    else:
        print(json.dumps({"status": "ready", "current_version_number": len(versions(sys.argv[3]))}))


def datasets_create():
    folder = Path(option("-p"))
    dataset = json.loads((folder / "dataset-metadata.json").read_text())["id"]
    if versions(dataset):
        print("Dataset creation error: The requested title is already in use by a dataset.")
        return
    upload(folder)
    print(f"Your private Dataset is being created. Please check progress at https://www.kaggle.com/{dataset}")


def datasets_version():
    dataset = upload(Path(option("-p")))
    (HOME / "slow").touch()
    print(f"Dataset version is being created. Please check progress at https://www.kaggle.com/{dataset}")


def datasets_download():
    shutil.copytree(versions(sys.argv[3])[-1], option("-p"), dirs_exist_ok=True)


def kernels_push():
    folder = Path(option("-p"))
    card = json.loads((folder / "kernel-metadata.json").read_text())
    title_slug = card["title"].lower().replace(" ", "-")
    assert card["id"].split("/")[1] == title_slug, "title and id differ"
    for name in ("language", "kernel_type", "is_private", "enable_gpu", "enable_internet", "machine_shape"):
        assert name in card, name
    missing = [d for d in card["dataset_sources"] if not versions(d)]
    if missing:
        print("The following are not valid dataset sources and could not be added to the kernel: " + str(missing))
    session = HOME / "session"
    shutil.rmtree(session, ignore_errors=True)
    for index, dataset in enumerate(card["dataset_sources"]):
        owner, slug = dataset.split("/")
        # both ways in which Kaggle mounts
        mount = session / "input" / slug if index % 2 else session / "input" / "datasets" / owner / slug
        shutil.copytree(versions(dataset)[-1], mount)
    for model in card["model_sources"]:
        assert len(model.split("/")) == 5, "OWNER/MODEL/FRAMEWORK/VARIATION/VERSION"
        owner, slug, *version = model.split("/")
        shutil.copytree(HOME / "models" / slug, session / "input" / "models" / owner / slug / Path(*version))
    (session / "working").mkdir(parents=True)
    shutil.copy(folder / card["code_file"], session / "script.py")
    end = load(PLAN, {}).get("end", "COMPLETE")
    (HOME / "status.json").write_text(json.dumps(["QUEUED", "RUNNING", end]))
    (HOME / "pushes").open("a").write("x")
    print(f"Kernel version 1 successfully pushed.  Please check progress at https://www.kaggle.com/code/{card['id']}")


def kernels_status():
    states = load(HOME / "status.json", None)
    if states is None:
        fail("404 Client Error: Not Found for url: https://www.kaggle.com/api/v1/kernels/status")
    print(f'{sys.argv[3]} has status "KernelWorkerStatus.{states[0]}"')
    if len(states) > 1:
        (HOME / "status.json").write_text(json.dumps(states[1:]))
        if states[1] not in ("QUEUED", "RUNNING"):
            run_session()


def run_session():
    session = HOME / "session"
    script = session / "script.py" if load(PLAN, {}).get("session") == "run" else HOME / "session.py"
    environment = dict(os.environ, AMT_KAGGLE_ROOT=str(session))
    done = subprocess.run([sys.executable, str(script)], cwd=session, env=environment, capture_output=True, text=True)
    events = [{"stream_name": "stdout", "time": 0.1, "data": done.stdout + done.stderr}]
    (HOME / "log.json").write_text(json.dumps(events))


def kernels_logs():
    print((HOME / "log.json").read_text() if (HOME / "log.json").exists() else "")


def kernels_output(half=False):
    target = Path(option("-p"))
    shutil.copytree(HOME / "session" / "working", target, dirs_exist_ok=True)
    if half:
        largest = max((p for p in target.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        os.truncate(largest, largest.stat().st_size // 2)


def quota():
    hours = load(PLAN, {}).get("hours", 30.0)
    print(json.dumps([{"resource": "GPU", "used": "0h", "remaining": f"{hours:.2f}h", "refreshAt": "Saturday"}]))


def main():
    if sys.argv[1:] == ["--version"]:
        version = load(PLAN, {}).get("version", "2.2.5")
        print(f"Kaggle {'API' if version.startswith('1.6') else 'CLI'} {version}")
        return
    with (HOME / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\n")
    command = " ".join(sys.argv[1:3]) if sys.argv[1] != "quota" else "quota"
    trouble = mishap(command)
    if trouble == "network":
        fail("HTTPSConnectionPool(host='www.kaggle.com', port=443): Read timed out.")
    if trouble == "refused":
        print("Kernel push error: Maximum batch GPU session count of 2 reached.")
        return
    if trouble == "quota":
        print("Kernel push error: Maximum weekly GPU quota of 30.00 hours reached.")
        return
    if trouble == "half":
        kernels_output(half=True)
        return
    globals()[command.replace(" ", "_")]()
    if trouble == "answer lost":
        fail("('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))")


if __name__ == "__main__":
    main()
