"""The tool table: name, cost, arguments and result of each tool, as clients list them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import mcp_types as types
from pydantic import BaseModel

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.json_schema import Schema, result_schema_of, with_bounds_in_words
from seedance_mcp.catalogue.profiles import Profile, create_video_schema
from seedance_mcp.errors import SeedanceError
from seedance_mcp.server import player
from seedance_mcp.tools import arguments, balance, create, models, refusals, results, tasks
from seedance_mcp.tools.session import Caller, Session

Run = Callable[[Session, Any, Caller], Awaitable[results.Result]]


class ToolSpec(NamedTuple):
    """One row of the tool table."""

    name: str
    title: str
    description: str
    icon: str
    read: Callable[[Edition, dict[str, Any]], Any]
    run: Run
    result: type[results.Result]
    schema: type[arguments.Arguments] | None
    """The input's model; `None` for create_video, whose schema depends on the profile."""
    at_once: Run | None = None
    """Runs instead of `run` for a client that takes a handle and fetches the result later."""
    read_only: bool = False
    reports_itself: bool = False
    """Whether its progress is reported all the time by the tool itself."""
    meta: player.Meta | None = None
    refused: Callable[[Session, SeedanceError, dict[str, Any]], Awaitable[None]] | None = None
    """Keeps a trace of a call whose arguments cannot be read."""

    def listed(self, edition: Edition, profile: Profile) -> types.Tool:
        """Give the tool as a client with this profile sees it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self._input_schema(edition, profile),
            output_schema=_output_schema(self.result) if self.result.structured else None,
            icons=[types.Icon(src=_svg(self.icon), mime_type="image/svg+xml", sizes=["any"])],
            annotations=types.ToolAnnotations(
                title=self.title,
                read_only_hint=self.read_only,
                destructive_hint=False,
                idempotent_hint=self.read_only,
                open_world_hint=True,
            ),
            _meta=self.meta,
        )

    def _input_schema(self, edition: Edition, profile: Profile) -> Schema:
        """Give the schema of the input; its short form repeats bounds in descriptions: such clients strip numbers."""
        if self.schema is None:
            return create_video_schema(edition, profile, arguments.CreateOptions)
        schema = arguments.input_schema(edition, self.schema)
        return with_bounds_in_words(schema) if profile == "flat" else schema


def _svg(path: str) -> str:
    drawn = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0,0,8,8'><path d='{path.replace(' ', ',')}'/></svg>"
    return "data:image/svg+xml," + quote(drawn, safe="/:=',")


def _output_schema(result: type[results.Result]) -> Schema:
    schema = result_schema_of(result)
    return {**schema, "properties": {"error": {"type": "object"}, **schema["properties"]}}


def _reads(kind: type[BaseModel]) -> Callable[[Edition, dict[str, Any]], BaseModel]:
    return lambda edition, given: arguments.read(edition, kind, given)


async def _upload_asset(session: Session, given: arguments.UploadAsset, caller: Caller) -> results.Asset:
    from seedance_mcp.tools import uploads  # noqa: PLC0415 - what reads media loads when a file is brought

    return await uploads.upload_asset(session, given, caller)


async def _get_asset(session: Session, given: arguments.GetAsset, caller: Caller) -> results.Asset:
    from seedance_mcp.tools import uploads  # noqa: PLC0415 - likewise

    return await uploads.get_asset(session, given, caller)


async def _list_assets(session: Session, given: arguments.ListAssets, caller: Caller) -> results.AssetList:
    from seedance_mcp.tools import cast  # noqa: PLC0415 - likewise

    return await cast.list_assets(session, given, caller)


async def _download_video(session: Session, given: arguments.DownloadVideo, caller: Caller) -> results.SavedVideo:
    from seedance_mcp.tools import downloads  # noqa: PLC0415 - what writes files loads when a video is fetched

    return await downloads.download_video(session, given, caller)


async def _preview_video(session: Session, given: arguments.PreviewVideo, caller: Caller) -> results.Preview:
    from seedance_mcp.tools import downloads  # noqa: PLC0415 - likewise

    return await downloads.preview_video(session, given, caller)


async def _join_videos(session: Session, given: arguments.JoinVideos, caller: Caller) -> results.JoinedVideo:
    from seedance_mcp.tools import film  # noqa: PLC0415 - likewise

    return await film.join_videos(session, given, caller)


async def _wait_for_video(session: Session, given: arguments.WaitForVideo, caller: Caller) -> results.Task:
    task = await tasks.wait_for_video(session, given, caller)
    if not session.settings.auto_save:
        return task
    from seedance_mcp.tools import auto_save  # noqa: PLC0415 - likewise

    return await auto_save.saved(session, task)


TOOLS: tuple[ToolSpec, ...] = (
    ToolSpec(
        name="list_models",
        title="List models",
        description="Compare models: limits, media, rules, price. Free. Next: create_video.",
        icon="M1 1h6v1H1zM1 4h6v1H1zM1 7h6v1H1z",
        read=_reads(arguments.ListModels),
        run=models.list_models,
        result=results.ModelList,
        schema=arguments.ListModels,
        read_only=True,
    ),
    ToolSpec(
        name="create_video",
        title="Create a video",
        description=(
            "Start one video from text, images, frames, videos or audio. COSTS MONEY, cannot be undone; answers at "
            "once. dry_run checks and prices it for free. Local files: upload_asset first. "
            "Never repeat after a lost answer. Next: wait_for_video."
        ),
        icon="M1 1l6 3-6 3z",
        read=arguments.read_create_video,
        run=create.create_video,
        result=results.Task,
        schema=None,
        at_once=create.create_video,
        refused=refusals.enter_unread,
        meta=player.SHOWN_NOT_CALLED,
    ),
    ToolSpec(
        name="get_task",
        title="Get a task",
        description="Poll a task once: status, progress, URL, cost. Free. To wait: wait_for_video.",
        icon="M1 1h6v6H1z",
        read=_reads(arguments.GetTask),
        run=tasks.get_task,
        result=results.Task,
        schema=arguments.GetTask,
        read_only=True,
        meta=player.SHOWN,
    ),
    ToolSpec(
        name="wait_for_video",
        title="Wait for a video",
        description="Wait until a task ends. Free. Still running: call again. Completed, not saved: download_video.",
        icon="M1 0h6L4 4l3 4H1l3-4z",
        read=_reads(arguments.WaitForVideo),
        run=_wait_for_video,
        at_once=tasks.get_task,
        result=results.Task,
        schema=arguments.WaitForVideo,
        read_only=True,
        reports_itself=True,
        meta=player.SHOWN,
    ),
    ToolSpec(
        name="upload_asset",
        title="Upload an asset",
        description=(
            "Bring an image, video, audio or frame of a video: gives the reference for that model, converted "
            "and reviewed. Free. Next: create_video, in a field of use_in."
        ),
        icon="M4 0l3 4H5v4H3V4H1z",
        read=_reads(arguments.UploadAsset),
        run=_upload_asset,
        result=results.Asset,
        schema=arguments.UploadAsset,
    ),
    ToolSpec(
        name="download_video",
        title="Save a video",
        description="Save a finished video; gives its path. Free. URLs expire in days. Next: preview_video.",
        icon="M3 0h2v3h2L4 6 1 3h2zM0 7h8v1H0z",
        read=_reads(arguments.DownloadVideo),
        run=_download_video,
        result=results.SavedVideo,
        schema=arguments.DownloadVideo,
    ),
    ToolSpec(
        name="preview_video",
        title="Preview a video",
        description="See first, middle and last frame of completed videos. Free. Next: download_video.",
        icon="M0 2h2v4H0zM3 2h2v4H3zM6 2h2v4H6z",
        read=_reads(arguments.PreviewVideo),
        run=_preview_video,
        result=results.Preview,
        schema=arguments.PreviewVideo,
        read_only=True,
    ),
    ToolSpec(
        name="join_videos",
        title="Join videos",
        description="Join completed videos. Free. All get the first's size and rate. Next: preview_video.",
        icon="M0 1h3v6H0zM5 1h3v6H5zM3 3h2v2H3z",
        read=_reads(arguments.JoinVideos),
        run=_join_videos,
        result=results.JoinedVideo,
        schema=arguments.JoinVideos,
    ),
    ToolSpec(
        name="list_tasks",
        title="List tasks",
        description="All tasks made here, newest first; totals (cost, unsaved). Free. Running: wait_for_video.",
        icon="M0 1h2v2H0zM3 1h5v2H3zM0 5h2v2H0zM3 5h5v2H3z",
        read=_reads(arguments.ListTasks),
        run=tasks.list_tasks,
        result=results.TaskList,
        schema=arguments.ListTasks,
        read_only=True,
    ),
    ToolSpec(
        name="get_asset",
        title="Get an asset",
        description="Check an asset's review, or get @name anew. Free. When ready: create_video.",
        icon="M4 0l4 4-4 4-4-4z",
        read=_reads(arguments.GetAsset),
        run=_get_asset,
        result=results.Asset,
        schema=arguments.GetAsset,
        read_only=True,
    ),
    ToolSpec(
        name="list_assets",
        title="List assets",
        description="Assets kept by name. Free. Next: get_asset.",
        icon="M0 0h3v3H0zM5 0h3v3H5zM0 5h3v3H0z",
        read=_reads(arguments.ListAssets),
        run=_list_assets,
        result=results.AssetList,
        schema=arguments.ListAssets,
        read_only=True,
    ),
    ToolSpec(
        name="get_balance",
        title="Get the balance",
        description="Account, key, money spent here, limits. Free. Next: create_video.",
        icon="M4 0a4 4 0 100 8 4 4 0 000-8z",
        read=_reads(arguments.NoArguments),
        run=balance.get_balance,
        result=results.Balance,
        schema=arguments.NoArguments,
        read_only=True,
    ),
)
