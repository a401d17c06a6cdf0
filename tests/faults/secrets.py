"""Passwords and signatures in addresses: none is printed or stored."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from unreliable_server import UnreliableServer

from amt_utils.__main__ import main
from amt_utils.config import Config
from amt_utils.data.maestro import ranges, remote
from amt_utils.data.maestro.catalogue import NAME
from amt_utils.system.errors import AmtError
from amt_utils.system.kaggle import Kaggle
from amt_utils.system.secrets import blank_secrets
from amt_utils.training.search.study import open_study, run_search

from . import kind
from .archives import archive

SECRET = "hunter2"


def _download(source: str) -> Callable[[Path, str], object]:
    return lambda folder, _url: main(["download", "--source", source, "--folder", str(folder / "d"), "--midi-only"])


def _served(query: str) -> Callable[[Path, str], object]:
    return lambda folder, url: main(
        ["download", "--source", f"{url}/midi.zip{query}", "--folder", str(folder / "d"), "--midi-only"]
    )


def _search(storage: str) -> Callable[[Path, str], object]:
    return lambda folder, _url: run_search(Config(), folder / "s", lambda *_: 0.0, storage=storage, trials=1)


def _tool(folder: Path, _url: str) -> None:
    tool = folder / "kaggle"
    tool.write_text(f"#!/bin/sh\necho 'see https://clara:{SECRET}@kaggle.com/x?token={SECRET}' >&2\nexit 1\n")
    tool.chmod(0o755)
    Kaggle(str(tool), attempts=2, pause=0.0).call("datasets", "download", f"https://u:{SECRET}@host/x")


PLACES: dict[str, Callable[[Path, str], object]] = {
    "--source with a password": _download(f"https://clara:{SECRET}@127.0.0.1:9/a.zip"),
    "--source, one slash": _download(f"https:/clara:{SECRET}@host/a.zip"),
    "--source, another scheme": _download(f"ftp://clara:{SECRET}@host/a.zip"),
    "--source, no such file": _download(f"s3://key:{SECRET}@bucket/a.zip"),
    "--source with a token": _download(f"http://127.0.0.1:9/a.zip?token={SECRET}"),
    "signed URL": _served(f"?X-Amz-Signature={SECRET}&part=1"),
    "signed URL of Azure": _served(f"?sig={SECRET}&se=1"),
    "signed URL of Google": _served(f"?X-Goog-Signature={SECRET}"),
    "the directory that is kept": lambda folder, url: remote.Client().read_directory(
        f"{url}/midi.zip?X-Amz-Signature={SECRET}", cache=folder / "directory.json"
    ),
    "--storage with a password": _search(f"postgresql://u:{SECRET}@127.0.0.1:9/x"),
    "--storage, one slash": _search(f"postgresql:/u:{SECRET}@host/x"),
    "--storage, as a parameter": _search(f"postgresql://127.0.0.1:9/x?user=u&password={SECRET}"),
    "--storage, a driver that is missing": _search(f"mysql+nothing://u:{SECRET}@host/x"),
    "--storage, a file that cannot be": _search(f"sqlite://u:{SECRET}@/none/x.db"),
    "--storage, redis": _search(f"redis://:{SECRET}@127.0.0.1:9/0"),
    "open_study": lambda _folder, _url: open_study("amt", f"postgresql://127.0.0.1:9/x?sslpassword={SECRET}"),
    "Kaggle's tool": _tool,
    "train --mirror": lambda folder, _url: main(
        ["train", "--config", f"https://u:{SECRET}@host/c.json", "--out", str(folder / "r"), "--mirror", "kaggle:x"]
    ),
    "a connection string": lambda _folder, _url: print(AmtError(f"host=h user=u password={SECRET} dbname=d")),
    "a header": lambda _folder, _url: print(blank_secrets(f"Authorization: Bearer {SECRET}{SECRET}")),
}


@kind("places that could show a secret", full=1, few=1, each=len(PLACES), longest=300)
def places(_rng: np.random.Generator, folder: Path) -> None:
    """An address with a secret goes through each of twenty places; neither the text nor a file may hold it."""
    (folder / "www").mkdir()
    (folder / "www" / "midi.zip").write_bytes(archive())
    server = UnreliableServer(folder / "www")
    pause, ranges.RETRY_SECONDS = ranges.RETRY_SECONDS, 0.01
    try:
        for name, show in PLACES.items():
            inside = folder / "places" / name.replace("/", "_")
            inside.mkdir(parents=True)
            text = io.StringIO()
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                try:
                    show(inside, server.url)
                except AmtError as error:
                    print(error)
            assert SECRET not in text.getvalue(), f"{name}: {text.getvalue()}"
            for file in inside.rglob("*"):
                stored = file.is_file() and file.name != "kaggle" and SECRET.encode() in file.read_bytes()
                assert not stored, f"{name}: in {file}"
                assert SECRET not in file.name, f"{name}: {file}"
    finally:
        ranges.RETRY_SECONDS = pause
        server.shutdown()
        server.server_close()
    assert NAME
