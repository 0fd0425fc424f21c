"""The contract of a video store, which every store keeps: whole or not at all, and nobody's video is replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from memory_store import MemoryStore
from obstore.store import MemoryStore as InMemory

from seedance_mcp.storage.bucket import Bucket
from seedance_mcp.storage.local_disk import LocalDisk
from seedance_mcp.storage.video_store import Stored, VideoStore

Make = Callable[[Path], VideoStore]
STORES: dict[str, Make] = {
    "disk": LocalDisk,
    "memory": lambda _: MemoryStore(),
    "bucket": lambda _: Bucket("s3://films", InMemory()),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VideoStore:
    return STORES[request.param](tmp_path)


def save(store: VideoStore, name: str = "fox", principal: str = "", content: bytes = b"film") -> Stored:
    pending = store.new(name, principal)
    for byte in content:
        pending.write(bytes([byte]))
    stored = pending.commit()
    pending.abort()  # changes nothing after a commit
    pending.abort()
    return stored


def read(store: VideoStore, stored: Stored) -> bytes | None:
    file = store.open(stored)
    if file is None:
        return None
    with file:
        return file.read()


def test_a_committed_video_is_there_with_its_size_and_digest(store: VideoStore) -> None:
    stored = save(store)
    assert (stored.size_bytes, stored.sha256) == (4, hashlib.sha256(b"film").hexdigest())
    assert read(store, stored) == b"film"


def test_a_duplicate_name_replaces_nothing(store: VideoStore) -> None:
    first, second, third = [save(store, content=content) for content in (b"one", b"two", b"three")]
    assert len({each.uri for each in (first, second, third)}) == 3
    assert all(Path(each.uri).name.startswith("fox") for each in (first, second, third))
    assert [read(store, each) for each in (first, second, third)] == [b"one", b"two", b"three"]


def test_two_principals_share_no_video(store: VideoStore) -> None:
    anna, bert = save(store, principal="anna", content=b"hers"), save(store, principal="bert", content=b"his")
    assert Path(anna.uri).name == Path(bert.uri).name == "fox.mp4"
    assert (read(store, anna), read(store, bert)) == (b"hers", b"his")


def test_an_aborted_video_leaves_nothing_and_its_name_free(store: VideoStore) -> None:
    pending = store.new("fox", "")
    pending.write(b"half")
    pending.abort()
    assert Path(save(store).uri).name == "fox.mp4"


def test_what_a_killed_process_committed_is_found_by_its_key_until_that_is_noted(store: VideoStore) -> None:
    pending = store.new("fox", "anna", "req_1")
    assert store.found("anna", "req_1") is None
    pending.write(b"film")
    stored = pending.commit()
    assert [store.found(*each) for each in (("anna", "req_1"), ("anna", "req_2"), ("bert", "req_1"))] == [stored, None, None]
    store.noted("anna", "req_1")
    store.noted("anna", "req_1")
    assert store.holds(stored)


def test_what_has_other_bytes_or_is_not_there_is_not_opened(store: VideoStore) -> None:
    stored = save(store)
    assert read(store, Stored(stored.uri, 3, stored.sha256)) is None
    assert read(store, Stored(stored.uri, 4, hashlib.sha256(b"else").hexdigest())) is None
    assert read(store, Stored(f"{stored.uri}.gone", 4, stored.sha256)) is None


def test_a_video_is_held_until_it_has_another_size_or_is_gone(store: VideoStore) -> None:
    stored = save(store)
    assert store.holds(stored)
    assert not store.holds(Stored(stored.uri, 3, stored.sha256))
    assert not store.holds(Stored(f"{stored.uri}.gone", 4, stored.sha256))


def test_a_store_has_a_path_or_a_link_that_expires(store: VideoStore) -> None:
    uri = save(store).uri
    path, link = store.path(uri), store.link(uri, 60)
    assert path is None or link is None
    assert path is None or path.read_bytes() == b"film"
    assert link is None or link.endswith("fox.mp4?seconds=60")
