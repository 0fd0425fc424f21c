"""A script of Node that drives the Chromium of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from workshop import ENVIRONMENT, closed_environment, node, node_modules, sandboxed, unavailable

SECONDS = 180
DRIVERS = Path(__file__).parent / "drivers"
ARTEFACTS = ENVIRONMENT.get("SEEDANCE_ARTEFACTS")
PACKAGES = (
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/ext-apps@2.0.4",
    "axe-core@4.14.1",
    "esbuild@0.28.2",
    "playwright-core@1.65.1",
    "zod@4.6.7",
)


def browser() -> str:
    """The Chromium of this machine."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        unavailable("there is no chromium: apt-get install chromium")
    return str(found)


def drive(tmp_path: Path, script: str, *words: str) -> None:
    """Run a script of the drivers, which ends well or raises; its pictures go to `SEEDANCE_ARTEFACTS`."""
    chromium, drivers = browser(), node_modules(*PACKAGES) / "drivers"
    shutil.copytree(DRIVERS, drivers, dirs_exist_ok=True)  # Node looks for packages beside the script
    environment = closed_environment(
        tmp_path,
        **sandboxed(tmp_path),
        SEEDANCE_OUTPUT_DIR=str(tmp_path / "videos"),
        BROWSER=chromium,
        PYTHON=sys.executable,
        ARTEFACTS=str(Path(ARTEFACTS).resolve() if ARTEFACTS else tmp_path / "artefacts"),
    )
    command = [str(node() / "bin" / "node"), str(drivers / script), *words]
    with subprocess.Popen(
        command,
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as driver:
        try:
            told, _ = driver.communicate(timeout=SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)  # a script that broke may have left a browser or a server behind
    assert driver.returncode == 0, told[-8000:]
