"""The child that decodes: how it is started and bounded where a system lacks a limit, and how it reads a file on Windows."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from corpus import BASE, FEW, bytes_of, film

from seedance_mcp.media import worker
from seedance_mcp.media.child_process import apart, limit, passed_on
from seedance_mcp.media.film import Plan
from seedance_mcp.media.probe import DEMUXERS
from seedance_mcp.media.stream_files import open_stream


def test_a_child_gets_no_variables_no_signal_and_no_window_of_ours() -> None:
    ours = {"SEEDANCE_API_KEY": "sk_1", "SYSTEMROOT": "C:\\Windows"}
    assert passed_on(ours) == {"SYSTEMROOT": "C:\\Windows"}
    assert (apart("nt"), apart("posix")) == ((0x0800_0000, False), (0, True))


def refusing(*refused: str) -> Any:
    def setrlimit(number: str, limits: tuple[int, int]) -> None:
        if number in refused:
            raise ValueError("current limit exceeds maximum limit")

    return SimpleNamespace(RLIMIT_CPU="cpu", RLIMIT_AS="memory", setrlimit=setrlimit)


def test_a_limit_that_macos_refuses_or_a_system_lacks_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", refusing("memory"))
    assert limit(2, 300 << 20) == ["RLIMIT_CPU"]
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert limit(2, 300 << 20) == []


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "open_stream", partial(open_stream, system="nt"))


@pytest.mark.parametrize("name", sorted(FEW.keys() & DEMUXERS.keys()))
def test_a_file_that_is_read_through_python_has_the_same_measures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "any"
    path.write_bytes(bytes_of(FEW[name]))
    with path.open("rb") as file:
        by_descriptor = worker.answer("stream", DEMUXERS[name], file)
        monkeypatch.setattr(worker, "open_stream", partial(open_stream, system="nt"))
        for _ in range(2):  # it stays open
            assert worker.answer("stream", DEMUXERS[name], file) == by_descriptor
    assert "failed" not in by_descriptor


@pytest.mark.usefixtures("on_windows")
@pytest.mark.slow
def test_clips_that_are_read_through_python_are_joined(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.mp4").write_bytes(film(BASE))
    plan = Plan([str(tmp_path / "1.mp4"), str(tmp_path / "2.mp4")], str(tmp_path / "film.mp4"), 0.0)
    with (tmp_path / "1.mp4").open("rb") as file:
        joined = worker.answer("join", json.dumps(asdict(plan)), file)
    assert "failed" not in joined
    assert len(joined["clips"]) == 2


@pytest.mark.usefixtures("on_windows")
def test_a_file_names_no_other_file_that_is_read_through_python(tmp_path: Path) -> None:
    (tmp_path / "other.mp4").write_bytes(film(BASE))
    (tmp_path / "list.txt").write_text(f"ffconcat version 1.0\nfile {tmp_path}/other.mp4\n", "utf-8")
    with (tmp_path / "list.txt").open("rb") as file:
        assert "failed" in worker.answer("stream", "concat", file)
