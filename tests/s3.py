"""What of the S3 protocol a video needs, on loopback: objects sent whole or in parts, their size, their bytes, a transfer given up."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class S3:
    """One endpoint; `refuses` answers every request with a status, `refuses_lists` every list, `cuts_part` fails one part of every transfer."""

    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    transfers: dict[str, dict[int, bytes]] = field(default_factory=dict[str, dict[int, bytes]])
    refuses: int = 0
    refuses_lists: int = 0
    cuts_part: int = 0
    address: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What the object store's own tools read."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ALLOW_HTTP": "true",
        }

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes, str]:
        """Give status, body and entity tag."""
        path, query = unquote(urlsplit(target).path), parse_qs(urlsplit(target).query, keep_blank_values=True)
        if self.refuses:
            return self.refuses, b"<Error><Message>no</Message></Error>", ""
        if "list-type" in query:
            return (self.refuses_lists or 200), self._listed(path.rstrip("/"), query["prefix"][0]), ""
        if method in {"GET", "HEAD"}:
            return (200, self.objects[path], "e") if path in self.objects else (404, b"", "")
        return self._changed(method, path, query, body)

    def _listed(self, bucket: str, prefix: str) -> bytes:
        found = [path for path in sorted(self.objects) if path.startswith(f"{bucket}/{prefix}")]
        rows = (
            f"<Contents><Key>{path.removeprefix(f'{bucket}/')}</Key><Size>{len(self.objects[path])}</Size>"
            "<LastModified>2026-11-27T10:00:00.000Z</LastModified><ETag>e</ETag></Contents>"
            for path in found
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>".encode()

    def _changed(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, bytes, str]:
        if "uploads" in query:
            self.transfers[path] = {}
            return 200, f"<R><Bucket>b</Bucket><Key>{path}</Key><UploadId>{path}</UploadId></R>".encode(), ""
        if "delete" in query:
            for key in re.findall(r"<Key>(.*?)</Key>", body.decode()):
                del self.objects[f"{path.rstrip('/')}/{key}"]
            return 200, b"<DeleteResult></DeleteResult>", ""
        if method == "DELETE":
            del self.transfers[path]
            return 204, b"", ""
        if "partNumber" in query:
            number = int(query["partNumber"][0])
            self.transfers[path][number] = body
            return (500 if number == self.cuts_part else 200), b"", f"e{number}"
        parts = self.transfers.pop(path) if method == "POST" else {1: body}
        self.objects[path] = b"".join(content for _, content in sorted(parts.items()))
        return 200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>", "e"


@contextmanager
def s3() -> Generator[S3]:
    """Serve an endpoint until the block ends."""
    store = S3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content, tag = store.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", "Fri, 27 Nov 2026 10:00:00 GMT")
            self.send_header("ETag", f'"{tag}"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the names that the library calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.address = f"http://127.0.0.1:{server.server_address[1]}"
        # it looks so often, in seconds, whether it is to end
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()
