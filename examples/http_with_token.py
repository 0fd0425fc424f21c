"""Serve over HTTP behind a token, and call the server as the token's owner.

    python examples/http_with_token.py [PORT]

Two programs stand in one file: the operator's, which gives each caller a token, and the caller's.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

TOKEN = "a-long-secret-of-anna"


@contextmanager
def serving(folder: str, port: str) -> Generator[str]:
    """Run `seedance-mcp serve` until the block ends; gives the address, which the server prints at its start."""
    command = [sys.executable, "-m", "seedance_mcp", "serve", "--transport", "http", "--port", port]
    variables = {"SEEDANCE_SANDBOX": "1", "SEEDANCE_DATA_DIR": folder, "SEEDANCE_HTTP_TOKENS": f"anna:{TOKEN}"}
    process = subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process.stderr.readline().split()[-1] if process.stderr else ""
        finally:
            process.terminate()


def connection(**headers: str) -> httpx2.AsyncClient:
    """Make an HTTP client that tries again while the server is still starting."""
    return httpx2.AsyncClient(headers=headers, transport=httpx2.AsyncHTTPTransport(retries=8))


async def main(address: str) -> None:
    """Call without a token, which is refused, then with one; another token would see other tasks."""
    async with connection() as http:
        print((await http.post(address)).status_code)
    async with (
        connection(Authorization=f"Bearer {TOKEN}") as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        tasks = (await client.call_tool("list_tasks", {})).structured_content
        print(tasks and tasks["total"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as data, serving(data, sys.argv[1] if len(sys.argv) > 1 else "8931") as url:
        anyio.run(main, url)
