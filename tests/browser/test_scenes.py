"""The player in a real browser: the reference Apps bridge, the official client, the server on its sandbox; scene by scene."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from driver import DRIVERS, drive

SCENES = re.findall(r"^  async (\w+)\(", (DRIVERS / "scenes.mjs").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(scene: str, tmp_path: Path) -> None:
    drive(tmp_path, "scenes.mjs", scene)
