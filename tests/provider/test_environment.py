"""A variable of the environment about proxies or certificates that cannot be used is named, at every door that connects."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp_types import CallToolResult
from pydantic import SecretStr

from seedance_mcp.cli import doctor
from seedance_mcp.errors import NotConfigured
from seedance_mcp.provider.result_download import Fetcher
from seedance_mcp.server.handlers import build_server
from seedance_mcp.server.http import build_http_app
from seedance_mcp.server.oauth import Issuer
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
PROVIDER = "https://provider.invalid"
WRONG = [
    ("ALL_PROXY", "socks5://user:secret@127.0.0.1:9"),
    ("all_proxy", "socks5://user:secret@127.0.0.1:9"),
    ("HTTPS_PROXY", "gopher://user:secret@127.0.0.1:9"),
    ("NO_PROXY", "localhost,[::1]"),
    ("no_proxy", "fd00::/8"),
    ("SSL_CERT_FILE", "/secret/missing.pem"),
    ("SSLKEYLOGFILE", "/secret/missing/keys.log"),
]
TLS = [row for row in WRONG if row[0].startswith("SSL")]


@pytest.fixture(params=WRONG, ids=[" ".join(row) for row in WRONG])
def variable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name, value = request.param
    monkeypatch.setenv(name, value)
    return name.upper()


def settings(tmp_path: Path) -> Settings:
    fields: dict[str, Any] = {"base_url": PROVIDER, "data_dir": tmp_path / "data", "max_cost_per_day": "9"}
    return Settings(api_key=SecretStr("sk_test"), allow_unpriced=True, **fields)


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}}),
    ("get_task", {"task_id": "vid_1"}),
    ("wait_for_video", {"task_id": "vid_1"}),
    ("get_balance", {}),
    ("upload_asset", {"source": "https://example.com/a.png", "model": "seedance2.0-sp"}),
]


@pytest.mark.slow
async def test_every_tool_that_connects_names_the_variable_and_the_others_work(variable: str, tmp_path: Path) -> None:
    async with Client(build_server(settings(tmp_path))) as client:
        for tool, arguments in CALLS:
            answer = content_of(await client.call_tool(tool, arguments))
            assert (answer["error"]["code"], answer["error"]["charged"]) == ("not_configured", "no"), tool
            assert answer["error"]["retryable"] is False
            assert f"The environment variable {variable} cannot be used: allowed" in answer["error"]["message"]
            assert "secret" not in str(answer)
        listed = content_of(await client.call_tool("list_tasks", {"refresh": True}))
        assert listed["total"] == 0
        assert not (await client.call_tool("list_models", {"route": "sp"})).is_error
        dry = content_of(await client.call_tool("create_video", {**CALLS[0][1], "dry_run": True}))
        assert any(f"It cannot be sent: The environment variable {variable}" in each for each in dry["warnings"])


def content_of(result: CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None
    return result.structured_content


async def test_doctor_names_the_variable(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_BASE_URL", PROVIDER)
    monkeypatch.setenv("SEEDANCE_API_KEY", "sk_test")
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path))
    (found,) = [each for each in await doctor.examine() if each.what == "provider"]
    assert found.mark == "fail"
    assert variable in found.fact
    assert "secret" not in found.fact


async def test_a_server_that_asks_an_issuer_for_keys_names_the_variable_in_its_log(
    variable: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = "https://issuer.invalid"
    fields: dict[str, Any] = {
        "data_dir": tmp_path,
        "http_oauth_issuer": issuer,
        "http_oauth_audience": "https://a.invalid/mcp",
    }
    app = build_http_app(Settings(**fields), "http", "127.0.0.1", trust=lambda _: Issuer(issuer, "https://a.invalid/mcp"))
    token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEiLCJ0eXAiOiJhdCtqd3QifQ.e30.AA"  # noqa: S105 - of nobody
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://a.invalid") as http:
        with caplog.at_level(logging.WARNING):
            answer = await http.get("/nothing", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 503
    assert variable in caplog.text
    assert "secret" not in caplog.text


async def test_a_download_names_the_variable_that_stops_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    async def report(done: int, total: int | None) -> None:
        pass

    for name, value in TLS:
        monkeypatch.setenv(name, value)
        with pytest.raises(NotConfigured, match=name):
            await Fetcher(PROVIDER, resolve).fetch("https://files.example.com/a.mp4", print, report)
        monkeypatch.delenv(name)
