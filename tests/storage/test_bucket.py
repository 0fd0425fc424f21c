"""Videos in a bucket: what the object store is asked, what is told when it refuses, and that a cut transfer leaves nothing."""

from __future__ import annotations

import hashlib

import pytest
from s3 import S3

from seedance_mcp.errors import DownloadFailed, DownloadRefused, NotConfigured
from seedance_mcp.storage.bucket import Bucket, open_bucket
from seedance_mcp.storage.video_store import Stored


@pytest.fixture
def bucket(endpoint: S3) -> Bucket:
    assert endpoint.address
    return open_bucket("s3://films/team/2026")


def save(bucket: Bucket, content: bytes = b"film", principal: str = "anna") -> Stored:
    pending = bucket.new("a fox, 5 s", principal)
    pending.write(content)
    return pending.commit()


def test_a_video_has_a_folder_of_its_own_below_the_prefix_and_its_principal(bucket: Bucket, endpoint: S3) -> None:
    stored = save(bucket)
    (path,) = endpoint.objects
    *folders, token, name = path.split("/")
    assert (folders, len(token), name) == (["", "films", "team", "2026", "anna"], 16, "a fox, 5 s.mp4")
    assert stored.uri == f"s3:/{path}"


def test_a_video_of_one_key_has_one_folder_and_is_found_with_its_digest(bucket: Bucket, endpoint: S3) -> None:
    for name in ("a fox", "a fox"):
        pending = bucket.new(name, "anna", "req_1")
        pending.write(b"film")
        stored = pending.commit()
    assert list(endpoint.objects.values()) == [b"film"]
    assert bucket.found("anna", "req_1") == stored
    assert bucket.found("anna", "req_2") is None


def test_a_bucket_that_may_not_be_listed_keeps_one_video_of_a_saver_that_was_killed(bucket: Bucket, endpoint: S3) -> None:
    endpoint.refuses_lists = 403
    assert bucket.found("anna", "req_1") is None
    pending = bucket.new("a fox", "anna", "req_1")
    pending.write(b"film")
    stored = pending.commit()
    after = open_bucket("s3://films/team/2026")  # another process
    assert after.found("anna", "req_1") == stored
    assert after.found("bo", "req_1") is None
    endpoint.objects.pop(stored.uri.removeprefix("s3:/"))
    assert after.found("anna", "req_1") is None
    endpoint.refuses_lists = 0
    assert open_bucket("s3://films/team/2026").found("anna", "req_1") is None  # the note is no video
    assert [path.rpartition("/")[2] for path in endpoint.objects] == ["seedance.note"]
    after.noted("anna", "req_1")
    assert not endpoint.objects


def test_a_video_in_parts_is_put_together_in_order(bucket: Bucket, endpoint: S3) -> None:
    content = bytes(9 << 20) + b"the end"
    stored = save(bucket, content)
    assert list(endpoint.objects.values()) == [content]
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert not endpoint.transfers


def test_a_transfer_that_is_cut_leaves_no_object_and_no_parts(bucket: Bucket, endpoint: S3) -> None:
    endpoint.cuts_part = 2
    with pytest.raises(DownloadFailed, match="not lost: call again later"):
        save(bucket, bytes(9 << 20))
    assert not endpoint.objects
    assert not endpoint.transfers


def test_a_store_that_refuses_is_told_from_one_that_does_not_answer(bucket: Bucket, endpoint: S3) -> None:
    stored = save(bucket)
    endpoint.refuses = 403
    with pytest.raises(DownloadRefused, match="check the credentials of SEEDANCE_VIDEO_STORE"):
        bucket.holds(stored)
    endpoint.refuses = 503
    with pytest.raises(DownloadFailed, match="did not do as asked"):
        bucket.open(stored)
    endpoint.refuses = 0
    assert bucket.holds(stored)


def test_a_video_that_was_changed_or_removed_is_not_opened(bucket: Bucket, endpoint: S3) -> None:
    stored = save(bucket)
    (path,) = endpoint.objects
    endpoint.objects[path] = b"milf"
    assert bucket.open(stored) is None
    del endpoint.objects[path]
    assert bucket.open(stored) is None
    assert not bucket.holds(stored)


def test_a_link_is_signed_without_the_network_and_lives_as_long_as_is_asked(bucket: Bucket, endpoint: S3) -> None:
    stored = save(bucket)
    endpoint.refuses = 500
    link = bucket.link(stored.uri, 90)
    assert link
    assert link.startswith(f"{endpoint.address}/films/team/2026/anna/")
    assert "X-Amz-Expires=90&" in link
    assert "secret" not in link


def test_an_address_that_the_library_refuses_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", "/no/such/file")
    with pytest.raises(NotConfigured, match="SEEDANCE_VIDEO_STORE cannot be used"):
        open_bucket("gs://films")
