"""Keeps videos in a bucket of an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

Every video has a folder of its own, so that no two writers meet in one name. A key names its folder, so that another process
finds what one that was killed has sent; where the bucket may not be listed, a note there says which name and which bytes.
Credentials and the endpoint come from the environment that the object store's own tools read, such as `AWS_ACCESS_KEY_ID` and
`AWS_ENDPOINT_URL`.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store, from_url

from seedance_mcp.errors import DownloadFailed, DownloadRefused, NotConfigured
from seedance_mcp.storage.local_disk import TEMPORARY_FOLDER, in_words
from seedance_mcp.storage.scratch_folder import scratch_file
from seedance_mcp.storage.video_names import ENDING, folder_name
from seedance_mcp.storage.video_store import Stored
from seedance_mcp.untrusted import sanitize

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore, RetryConfig

_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 2
"""So many parts are in memory while a video is sent."""
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_WORDS_MOST_CHARS = 200
_list: Callable[..., Iterable[Sequence[ObjectMeta]]] = vars(obstore)["list"]  # its own types name a library that is not here
_NOTE = "seedance.note"


def open_bucket(address: str) -> Bucket:
    """Open the store that an address names, without asking it anything.

    Args:
        address: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://account/container/prefix`.

    Raises:
        NotConfigured: The address or its credentials cannot be used.
    """
    try:
        return Bucket(address, from_url(address, retry_config=_RETRY))
    except (BaseError, ValueError) as error:
        raise NotConfigured(f"SEEDANCE_VIDEO_STORE cannot be used ({_first_line(error)}).") from error


class Bucket:
    """A `VideoStore` below one prefix of a bucket; every named principal has a folder there."""

    def __init__(self, address: str, store: ObjectStore) -> None:
        """Take the address by which videos are called, and the store behind it."""
        self._address, self._store = address.rstrip("/"), store
        self._is_listed = True

    def new(self, name: str, principal: str, key: str = "") -> Sending:
        """Begin a video; see `VideoStore.new`."""
        folder = _folder(principal, _token(key) if key else secrets.token_hex(8))
        note = None if self._is_listed or not key else _note_of(principal, key)
        return Sending(self._address, self._store, f"{folder}/{name}{ENDING}", note)

    def found(self, principal: str, key: str) -> Stored | None:
        """List the folder of a key, and read what is there; see `VideoStore.found`."""
        try:
            sent = [each for some in _list(self._store, f"{_folder(principal, _token(key))}/") for each in some]
        except BaseError:  # who may write need not be allowed to list
            self._is_listed = False
            return self._noted_before(_note_of(principal, key))
        for each in sent:
            if each["path"].endswith(ENDING):
                uri, digest = f"{self._address}/{each['path']}", hashlib.sha256()
                self._fetch(uri, digest.update)
                return Stored(uri, each["size"], digest.hexdigest())
        return None

    def _noted_before(self, note: str) -> Stored | None:
        """Give the video that a note names, where it is there; what cannot be asked for is sent once more."""
        try:
            told: dict[str, Any] = json.loads(bytes(obstore.get(self._store, note).bytes()))
            stored = Stored(f"{self._address}/{told['key']}", told["bytes"], told["sha256"])
            return stored if obstore.head(self._store, told["key"])["size"] == stored.size_bytes else None
        except (BaseError, FileNotFoundError, ValueError, LookupError, TypeError):
            return None

    def noted(self, principal: str, key: str) -> None:
        """Remove the note, where there may be one and the credentials allow it; a folder costs nothing."""
        if not self._is_listed:
            with suppress(BaseError, FileNotFoundError):
                obstore.delete(self._store, _note_of(principal, key))

    def holds(self, stored: Stored) -> bool:
        """Ask for a video's size; see `VideoStore.holds`. Nobody writes under its name again, so its bytes are the same."""
        try:
            with _told():
                return obstore.head(self._store, self._key(stored.uri))["size"] == stored.size_bytes
        except FileNotFoundError:
            return False

    def open(self, stored: Stored) -> BinaryIO | None:
        """Fetch a video into a temporary file; see `VideoStore.open`."""
        with ExitStack() as stack, in_words(TEMPORARY_FOLDER):
            file = stack.enter_context(scratch_file())
            digest = hashlib.sha256()
            if not self.holds(stored):
                return None
            self._fetch(stored.uri, lambda piece: (digest.update(piece), file.write(piece)))
            if digest.hexdigest() != stored.sha256:
                return None
            file.seek(0)
            stack.pop_all()
            return file

    def _fetch(self, uri: str, take: Callable[[bytes | memoryview], object]) -> None:
        """Read a video piece by piece."""
        with _told():
            for piece in obstore.get(self._store, self._key(uri)).stream(_PART_BYTES):
                take(memoryview(piece))

    def link(self, uri: str, seconds: float) -> str | None:
        """Sign a URL, without the network; see `VideoStore.link`."""
        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        with _told():
            return obstore.sign(self._store, "GET", self._key(uri), timedelta(seconds=seconds))

    def path(self, uri: str) -> None:
        """Give no file: none of this machine holds a video."""

    def _key(self, uri: str) -> str:
        return uri.removeprefix(f"{self._address}/")


def _folder(principal: str, token: str) -> str:
    return f"{folder_name(principal)}/{token}" if principal else token


def _token(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _note_of(principal: str, key: str) -> str:
    return f"{_folder(principal, _token(key))}/{_NOTE}"


class Sending:
    """A `Pending` video: a temporary file, which is sent when it is whole."""

    def __init__(self, address: str, store: ObjectStore, key: str, note: str | None) -> None:
        """Make the temporary file, and take where to note the video before it is sent; raises `DownloadRefused`."""
        self._uri, self._store, self._key, self._note = f"{address}/{key}", store, key, note
        with in_words(TEMPORARY_FOLDER):
            self._file = scratch_file()
        self._digest, self._size_bytes = hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Append bytes; see `Pending.write`."""
        with in_words(TEMPORARY_FOLDER):
            self._file.write(data)
        self._digest.update(data)
        self._size_bytes += len(data)

    def commit(self) -> Stored:
        """Send the file in parts; see `Pending.commit`. A transfer that is cut leaves no object."""
        try:
            with in_words(TEMPORARY_FOLDER):
                self._file.seek(0)
            with _told():
                self._write_note()
                obstore.put(
                    *(self._store, self._key, self._file),
                    attributes={"Content-Type": "video/mp4"},
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )
        finally:
            self.abort()
        return Stored(self._uri, self._size_bytes, self._digest.hexdigest())

    def _write_note(self) -> None:
        if self._note:
            told = {"key": self._key, "bytes": self._size_bytes, "sha256": self._digest.hexdigest()}
            obstore.put(self._store, self._note, json.dumps(told).encode())

    def abort(self) -> None:
        """Drop the temporary file; see `Pending.abort`."""
        with suppress(OSError):  # on a full disk it raises, and is closed all the same
            self._file.close()


@contextmanager
def _told() -> Generator[None]:
    """Say what to do about a store that does not do as asked; a missing video stays `FileNotFoundError`."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise DownloadRefused(
            "The video store refuses this server: the operator should check the credentials of SEEDANCE_VIDEO_STORE and"
            " what they allow. The video is not lost: call again when that is done."
        ) from error
    except BaseError as error:
        raise DownloadFailed(
            f"The video store of the operator (SEEDANCE_VIDEO_STORE) did not do as asked ({_first_line(error)}). The video is"
            " not lost: call again later."
        ) from error


def _first_line(error: Exception) -> str:
    """Give what a library says of an error, without the addresses and the details that follow."""
    return sanitize(str(error).partition("\n")[0].rpartition(" - ")[2], _WORDS_MOST_CHARS)
