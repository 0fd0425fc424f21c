"""The player in a real browser: the reference Apps bridge, the official client, the server on its sandbox; scene by scene."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from workshop import ENVIRONMENT, closed_environment, node, node_modules, sandboxed, unavailable

DRIVERS = Path(__file__).parent / "drivers"
SCENES = re.findall(r"^  async (\w+)\(", (DRIVERS / "scenes.mjs").read_text("utf-8"), re.MULTILINE)
ARTEFACTS = ENVIRONMENT.get("SEEDANCE_ARTEFACTS")
PACKAGES = (
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/ext-apps@2.0.4",
    "axe-core@4.14.1",
    "esbuild@0.28.2",
    "playwright-core@1.65.1",
    "zod@4.6.7",
)
SCENE_SECONDS = 180


def browser() -> str:
    """The Chromium of this machine."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        unavailable("there is no chromium: apt-get install chromium")
    return str(found)


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(scene: str, tmp_path: Path) -> None:
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
    command = [str(node() / "bin" / "node"), str(drivers / "scenes.mjs"), scene]
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
            told, _ = driver.communicate(timeout=SCENE_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)  # a scene that broke may have left a browser or a server behind
    assert driver.returncode == 0, told[-8000:]
