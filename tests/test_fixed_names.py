"""The names, fields, defaults and bounds that programs outside rely on, typed by hand: none changes with the code unseen."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from conftest import OpenWorld

from seedance_mcp.cli.main import parser
from seedance_mcp.errors import SeedanceError
from seedance_mcp.provider.failures import ADVICE_FOR_FAILED_TASK
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio

NONE = object()
"""An argument without a default."""


def arguments(names: str = "", **defaults: Any) -> dict[str, Any]:
    """Give the arguments of one tool, those without a default first."""
    return {**dict.fromkeys(names.split(), NONE), **defaults}


ARGUMENTS = {
    "list_models": arguments("model route resolution takes detail"),
    "create_video": arguments("request confirm_token project take", dry_run=False, allow_duplicate=False),
    "get_task": arguments("task_id"),
    "wait_for_video": arguments("task_id", timeout_seconds=45),
    "upload_asset": arguments("source model kind name", fit="convert", portrait=False, wait_seconds=30),
    "list_tasks": arguments("status project since until saved cursor", limit=20, detail="brief", refresh=False),
    "download_video": arguments("task_id filename"),
    "preview_video": arguments("task_id task_ids"),
    "join_videos": arguments("tasks music filename project", transition="cut", crossfade_seconds=0.5),
    "get_asset": arguments("reference model"),
    "list_assets": arguments("kind model"),
    "get_balance": arguments(),
}
REQUIRED = {
    "create_video": {"request"},
    "get_task": {"task_id"},
    "wait_for_video": {"task_id"},
    "download_video": {"task_id"},
    "join_videos": {"tasks"},
    "upload_asset": {"source", "model"},
    "get_asset": {"reference"},
}
READ_ONLY = {
    *("list_models", "get_task", "wait_for_video", "list_tasks", "preview_video"),
    *("get_asset", "list_assets", "get_balance"),
}
REQUEST = {
    *("model", "prompt", "duration", "resolution", "orientation", "ratio", "images", "first_image", "last_image"),
    *("reference_videos", "reference_audios"),
}
TASK = {
    *("task_id", "request_id", "model", "prompt", "status", "progress", "created_at", "completed_at", "elapsed_seconds"),
    *("eta_seconds", "video_url", "video_url_expires_at", "saved_path", "cost", "estimated_cost", "currency", "error"),
    *("warnings", "deduplicated", "dry_run", "would_send", "next", "project", "take", "request"),
}
SAVED = {"path", "url", "expires_at", "bytes", "sha256", "mime_type", "task_id"}
ASSET = {"reference", "ready", "status", "kind", "asset_id", "expires_at", "bytes", "use_in", "changes", "name", "next"}
RESULTS: dict[str, set[str]] = {
    "list_models": {"edition", "currency", "prices_as_of", "models"},
    **dict.fromkeys(("create_video", "get_task", "wait_for_video"), TASK),
    "list_tasks": {"tasks", "total", "next_cursor", "totals", "warnings"},
    "download_video": SAVED,
    "join_videos": {*SAVED, "seconds", "clips"},
    **dict.fromkeys(("upload_asset", "get_asset"), ASSET),
    "list_assets": {"assets"},
    "get_balance": {"currency", "account", "key", "spent_here", "limits", "left_today"},
}
MODEL = {
    *("model", "route", "title", "duration", "resolution", "ratio", "prompt_max_chars", "images", "frames"),
    *("reference_videos", "reference_audios", "rules", "asset_review", "billing", "notes", "request_schema"),
}
BALANCE = {
    "account": {"balance", "used", "available"},
    "key": {"name", "total_quota", "used_quota", "available_quota", "unlimited"},
    "spent_here": {"today", "total", "reserved"},
}


async def listed(open_world: OpenWorld, **options: Any) -> dict[str, dict[str, Any]]:
    async with open_world(**options) as world:
        tools = (await world.client.list_tools()).tools
    return {tool.name: tool.model_dump(by_alias=True, mode="json") for tool in tools}


async def test_every_tool_has_its_arguments_defaults_and_hints(open_world: OpenWorld) -> None:
    tools = await listed(open_world)
    assert tools.keys() == ARGUMENTS.keys()
    for name, tool in tools.items():
        schema = tool["inputSchema"]
        assert {each: field.get("default", NONE) for each, field in schema["properties"].items()} == ARGUMENTS[name], name
        assert set(schema.get("required", ())) == REQUIRED.get(name, set()), name
        hints = tool["annotations"]
        assert (hints["readOnlyHint"], hints["destructiveHint"]) == (name in READ_ONLY, False), name


async def test_arguments_have_their_bounds_and_values(open_world: OpenWorld) -> None:
    fields = {name: tool["inputSchema"]["properties"] for name, tool in (await listed(open_world)).items()}

    def bounds(tool: str, field: str, low: str, high: str) -> tuple[Any, Any]:
        return fields[tool][field][low], fields[tool][field][high]

    assert bounds("create_video", "take", "minimum", "maximum") == (1, 99)
    assert bounds("wait_for_video", "timeout_seconds", "minimum", "maximum") == (1, 1800)
    assert bounds("join_videos", "tasks", "minItems", "maxItems") == (2, 40)
    assert fields["preview_video"]["task_ids"]["maxItems"] == 4
    takes = fields["list_models"]["takes"]["items"]["enum"]
    assert takes == ["images", "frames", "reference_videos", "reference_audios", "https", "asset"]
    assert fields["list_models"]["detail"]["enum"] == ["brief", "full"]
    assert fields["join_videos"]["transition"]["enum"] == ["cut", "crossfade"]
    assert fields["upload_asset"]["fit"]["enum"] == ["convert", "trim", "none"]
    states = ["queued", "processing", "completed", "failed", "cancelled", "unknown"]
    assert fields["list_tasks"]["status"]["enum"] == states


async def test_a_request_has_the_providers_fields_in_both_renderings(open_world: OpenWorld) -> None:
    union = (await listed(open_world))["create_video"]["inputSchema"]["properties"]["request"]
    flat = (await listed(open_world, schema_profile="flat"))["create_video"]["inputSchema"]
    assert {name for branch in union["anyOf"] for name in branch["properties"]} == REQUEST
    assert flat["properties"].keys() - ARGUMENTS["create_video"].keys() == REQUEST
    assert all(branch["additionalProperties"] is False for branch in union["anyOf"])


async def test_every_result_has_its_fields(open_world: OpenWorld) -> None:
    schemas = {name: tool["outputSchema"] for name, tool in (await listed(open_world)).items()}
    assert [name for name, schema in schemas.items() if schema is None] == ["preview_video"]
    for name, fields in RESULTS.items():
        assert fields <= schemas[name]["properties"].keys(), name
    async with open_world() as world:
        (model,) = (await world.call("list_models", {"model": "seedance2.0-md"}))["models"]
        balance = await world.call("get_balance")
        made = await world.create()
        totals = (await world.call("list_tasks"))["totals"]
    assert model.keys() >= MODEL
    assert model["duration"].keys() == {"min", "max", "default"}
    assert model["resolution"].keys() == model["ratio"].keys() == {"allowed", "default"}
    assert model["billing"].keys() == {"per", "name", "unit_price", "source", "seen"}
    assert {name: set(balance[name]) for name in BALANCE} == BALANCE
    assert totals.keys() == {"count", "estimated", "charged", "reserved", "unsaved"}
    assert made["next"].keys() == {"tool", "arguments", "after_seconds"}
    assert made["request_id"].startswith("req_")


def test_errors_and_causes_have_their_names() -> None:
    kinds = [SeedanceError, *SeedanceError.__subclasses__()]
    assert {kind.code for kind in kinds} == {
        *("invalid_request", "not_configured", "auth_failed", "insufficient_balance", "budget_exceeded"),
        *("confirmation_required", "rate_limited", "provider_error", "provider_unreachable", "outcome_unknown"),
        *("task_not_found", "asset_rejected", "asset_not_ready", "file_rejected", "download_failed"),
    }
    assert set(ADVICE_FOR_FAILED_TASK) == {
        *("busy", "rate_limited", "upstream_timeout", "storage_failed", "media_unreachable", "media_too_long"),
        *("moderation_face", "moderation_brand", "moderation_input", "moderation_output", "moderation_audio"),
        *("no_money", "model_unavailable", "wrong_endpoint", "asset_not_ready", "unknown"),
    }


DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("api_key", "database_url", "video_store", "download_proxy", "http_tokens", "prices")),
    **dict.fromkeys(("max_cost_per_video", "max_cost_per_day", "max_cost_total", "confirm_above")),
    **dict.fromkeys(("max_cost_account_per_day", "max_cost_account_total", "notify_url", "notify_secret", "media_roots")),
    **dict.fromkeys(("sandbox", "allow_unpriced", "strict", "auto_save"), False),
    "instant_start": True,
    "base_url": "https://api.viraltok.ai",
    "dedupe_seconds": 600,
    "link_seconds": 3600,
    "edition": "2026-07",
    "models": "",
    "schema_profile": "auto",
    "log_format": "text",
    "log_level": "WARNING",
}


def test_settings_have_their_names_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDANCE_BASE_URL")
    settings = Settings()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert settings.min_poll_interval_seconds == 5
    assert settings.output_dir.name == "seedance-videos"


@pytest.mark.parametrize(
    "line",
    [
        *("serve --transport stdio", "serve --transport http --host 127.0.0.1 --port 8931", "serve --transport sse --keep"),
        *("demo", "sandbox", "models", "models --drift", "doctor", "doctor error outcome_unknown", "verify", "tasks"),
        *("spending", *(f"spending --since 7d --by {by}" for by in ("principal", "project", "model"))),
        *("settle req_1 charged", "settle req_1 not-charged --amount 1", "audit"),
        *("principals add ann", "principals list", "principals limit ann", "principals rotate ann", "principals disable ann"),
        *("ledger migrate", "ledger copy", "ledger backup copy.sqlite3", "ledger prune --older-than 90d", "keep"),
        *("install cursor", "install cursor --url https://video.example.com/mcp", "bundle", "bundle seedance.mcpb", "gallery"),
    ],
)
def test_the_command_line_takes_what_it_took(line: str) -> None:
    options = parser().parse_args(line.split())
    assert isinstance(options, argparse.Namespace)
    assert callable(options.run)
