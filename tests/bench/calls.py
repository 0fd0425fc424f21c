"""What our part of a call costs: `create_video` beside bare requests, calls per second, and what `tools/list` makes an agent read."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from functools import cache, partial
from typing import Any

import anyio
import httpx
from kit import ENVIRONMENT, MODEL, Row, Session, empty, ours, provider, session, settings
from start import OPENING, peers, start
from workshop import venv

from seedance_mcp.sandbox.provider import KEY

CREATES, CALLS, AT_ONCE = 200, 2000, 20
TOKENIZER = "rs-bpe==0.1.0"
COUNT = "import sys; from rs_bpe.bpe import openai; print(len(openai.o200k_base().encode(sys.stdin.read())))"
UNIONS_REFUSED = {"name": "cursor-vscode", "version": "1"}


async def creates() -> list[Row]:
    """Send the same requests bare and through the server, in turn."""
    bare, through = list[float](), list[float]()
    with provider() as address, settings(address) as environment:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with session(ours(), environment) as server, httpx.AsyncClient(base_url=address, headers=headers) as http:
            for number in range(CREATES):
                body = {"model": MODEL, "prompt": f"fox {number}", "duration": 5}
                begun = time.perf_counter()
                await http.get("/api/open-api/v1/user/balance")
                assert (await http.post("/api/open-api/v1/seedance/videos", json=body)).status_code == 200
                sent = time.perf_counter()
                await server.call("create_video", request={**body, "prompt": f"owl {number}"})
                bare.append((sent - begun) * 1000)
                through.append((time.perf_counter() - sent) * 1000)
    mine = statistics.median(each - other for each, other in zip(through, bare, strict=True))
    return [
        Row("`create_video`, all of it", statistics.median(through), "ms", "bare balance and POST", statistics.median(bare)),
        Row("`create_video`, our part", mine, "ms", promised="10 ms"),
    ]


async def per_second(server: Session, method: str, **params: Any) -> float:
    """How many requests a second one client gets answered, some at once."""

    async def ask_on() -> None:
        for _ in range(CALLS // AT_ONCE):
            await server.ask(method, **params)

    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(ask_on)
    return CALLS / (time.perf_counter() - begun)


async def rates() -> list[Row]:
    """Ask this server and an empty one."""
    with provider() as address, settings(address) as environment:
        async with session(ours(), environment) as server, session(empty(), ENVIRONMENT) as other:
            task = await server.call("create_video", request={"model": MODEL, "prompt": "fox"})
            await server.call("get_task", task_id=task["task_id"])
            nothing = await per_second(other, "tools/call", name="nothing", arguments={"seconds": 0})
            listed = await per_second(other, "tools/list")
            get = partial(per_second, server, "tools/call")
            return [
                Row("`tools/list`", await per_second(server, "tools/list"), "a second", "one tool, empty server", listed),
                Row("`list_models` of a route", await get(name="list_models", arguments={"route": "md"}), "a second"),
                Row(
                    *("`get_task`, within the floor", await get(name="get_task", arguments={"task_id": task["task_id"]})),
                    *("a second", "no work, empty server", nothing),
                ),
            ]


@cache
def tokens(text: str) -> int:
    """How many tokens a text is to a current model (o200k)."""
    counted = subprocess.run([venv(TOKENIZER) / "python", "-c", COUNT], input=text, capture_output=True, text=True, check=True)
    return int(counted.stdout)


def listing() -> list[Row]:
    """What an agent reads before it does anything."""

    def weigh(command: list[str], opening: list[dict[str, Any]] = OPENING) -> int:
        tools = start(command, opening).answer["tools"]
        return tokens(json.dumps(tools, ensure_ascii=False, separators=(",", ":")))

    hello = {**OPENING[0], "params": {**OPENING[0]["params"], "clientInfo": UNIONS_REFUSED}}
    mine = weigh(ours())
    return [
        Row("`tools/list`, twelve tools with all limits", mine, "tokens"),
        Row("the same, flat", weigh(ours(), [hello, *OPENING[1:]]), "tokens", "union", mine),
        *(
            Row("`tools/list`, twelve tools with all limits", mine, "tokens", name, weigh(peer))
            for name, peer in peers().items()
        ),
    ]


def rows() -> list[Row]:
    """Measure all three."""
    return [*anyio.run(creates), *anyio.run(rates), *listing()]
