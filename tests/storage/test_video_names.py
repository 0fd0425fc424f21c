"""A file name that one system takes for a device is none on any."""

from __future__ import annotations

import pytest

from seedance_mcp.storage.video_names import NAME_MOST_BYTES, safe_name, video_name

DEVICES = ["con", "prn", "aux", "nul", "conin$", "conout$"]
NUMBERED = [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]


@pytest.mark.parametrize("device", [*DEVICES, *NUMBERED])
def test_a_device_of_windows_is_no_file_name(device: str) -> None:
    for name in (device, device.upper(), f"{device}.txt", f"{device} .txt"):
        assert safe_name(name) == f"_{name}"
    for name in (f"{device}x", f"x{device}"):
        assert safe_name(name) == name


@pytest.mark.parametrize("character", '<>:"/\\|?*\x00\x1f\u202e\ue000')
def test_a_character_that_some_system_forbids_is_replaced(character: str) -> None:
    assert safe_name(f"a{character}b") == "a_b"


def test_a_name_has_a_default_and_a_last_resort() -> None:
    assert video_name(None, "default") == video_name(" ", "default") == "default"
    assert video_name("..", "default") == "_"
    assert video_name(None, ". .") == "video"
    assert len(video_name("é" * 999, "").encode()) == NAME_MOST_BYTES
