"""A real browser for the widget's tests and the README's pictures: Chromium under Playwright, where there is one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",  # a microphone that beeps
)  # fmt: skip


def why_no_browser() -> str:
    """Why there can be no browser test here; ``""`` when there can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return "" if _executable() else "no chromium on this machine"


def _executable() -> str | None:
    names = (os.environ.get("AMT_BROWSER", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


@contextlib.contextmanager
def open_browser():
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable(), args=list(ARGUMENTS))
        yield browser
        browser.close()


def open_page(browser, path: Path, *, width: int = 1280, height: int = 720, theme: str = "dark"):
    """The page of a saved piano roll, drawn; ``page.problems`` collects script errors and requests to the network."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    local = ("file:", "blob:", "data:")
    page.on("request", lambda r: None if r.url.startswith(local) else page.problems.append(f"network: {r.url}"))
    page.goto(Path(path).resolve().as_uri())
    page.wait_for_function("window.amtPiano && amtPiano.drawMilliseconds !== undefined")
    return page


def find_violations(page) -> dict[str, list[str]]:
    """The rules of accessibility that axe-core finds broken, each with the elements that break it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return {each["id"]: [node["html"][:160] for node in each["nodes"][:5]] for each in found}


def download(page, kind: str, folder: Path) -> Path:
    """Saves what a piano roll shows by its own button."""
    if page.locator(".amt-tray:not([hidden]) [data-kind]").count() == 0:
        page.keyboard.press("w")
    with page.expect_download() as started:
        page.click(f"[data-kind={kind}]")
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


@contextlib.contextmanager
def run_jupyterlab(folder: Path):
    """JupyterLab on ``folder``; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.extension_manager=readonly", "--LabApp.news_url=None"]
    private = {name: str(folder / ".jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    repository = str(Path(__file__).resolve().parents[1])
    private["PYTHONPATH"] = os.pathsep.join([repository, os.environ.get("PYTHONPATH", "")])
    with open(folder / "jupyter.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **private})
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", server, folder / "jupyter.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(address, timeout=2).close()
            return
        time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")
