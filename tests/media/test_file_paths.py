"""An agent's path on each system: a URL's drive, a share that is not asked, and a folder with two spellings."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedance_mcp.errors import FileRejected
from seedance_mcp.media.file_paths import path_of, root_above


@pytest.mark.parametrize(
    ("url", "system", "path"),
    [
        ("file:///C:/a%20b.png", "nt", "C:/a b.png"),
        ("file:///c%3A/b.png", "nt", "c:/b.png"),
        ("file:///share/b.png", "nt", "/share/b.png"),
        ("file:///C:/b.png", "posix", "/C:/b.png"),
        ("FILE:///a%20b.png", "posix", "/a b.png"),
    ],
)
def test_a_file_url_is_a_path_on_each_system(url: str, system: str, path: str) -> None:
    assert path_of(url, (), system) == path


@pytest.mark.parametrize(
    "path",
    [
        r"\\evil.invalid\share\fox.png",
        "//evil.invalid/share/fox.png",
        "file:////evil.invalid/share/fox.png",
        r"\\?\UNC\evil.invalid\share\fox.png",
        r"\\.\PhysicalDrive0",
        r"\\.\pipe\fox",
        r"C:\media\fox.png:hidden",
        "fox.png:hidden",
    ],
)
def test_a_share_a_device_and_a_stream_are_refused_on_windows_before_they_are_touched(path: str) -> None:
    with pytest.raises(FileRejected, match=r"allowed: a path such as C:\\pictures") as caught:
        path_of(path, [Path("C:/media")], "nt")
    assert "Nothing was sent" in caught.value.message
    if not path.startswith("file"):
        assert path_of(path, [], "posix") == path


def test_an_invalid_url_is_no_path() -> None:
    with pytest.raises(FileRejected, match=r'"file://\[x" is an invalid URL'):
        path_of("file://[x")


def test_a_share_is_read_where_the_operator_allows_it() -> None:
    share = Path("//nas/films")
    assert path_of(r"\\NAS\films\fox.png", [share], "nt") == r"\\NAS\films\fox.png"
    assert path_of(r"C:\media\fox.png", [share], "nt") == r"C:\media\fox.png"
    with pytest.raises(FileRejected):
        path_of(r"\\nas\other\fox.png", [share], "nt")


def test_a_folder_with_two_spellings_is_found_by_the_allowed_one() -> None:
    root, path = Path("/media/fox"), Path("/Media/FOX/new/fox.png")

    def are_same(one: Path, other: Path) -> bool:
        return str(one).lower() == str(other).lower()  # as on macOS and Windows

    assert root_above(path, [Path("/nowhere"), root], are_same) == (root / "new" / "fox.png", root)
    assert root_above(path, [Path("/nowhere")], are_same) is None
    assert root_above(path, [root]) is None
