"""`seedance-mcp verify` on loopback: the sandbox confirms, bent answers contradict exactly, and nonsense breaks nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import PROVIDER, no_film, public_address
from corpus import Clip, film

from seedance_mcp.cli import main, running, verify
from seedance_mcp.cli.verify import CASSETTE, REPORT, VerifyOptions
from seedance_mcp.errors import InvalidRequest, NotConfigured
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.proof.documented import EVERY, FREE, PAID, REFUSED, SOURCES
from seedance_mcp.proof.probes import PROMPT, REFUSED_CREATES, WRONG_KEY
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.provider.result_download import Fetcher
from seedance_mcp.sandbox.cassette import Cassette
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import Shared, utc_now

pytestmark = pytest.mark.anyio
Provider = Callable[[httpx.Request], Any]
MODEL = "seedance2.0-mini"


async def small(order: Order, pictures: list[bytes]) -> bytes:
    return film(Clip(size_px=(864, 496), frames=96, sound_seconds=4.0, is_sparse=True))


class Run:
    """One run of the command against a provider in memory."""

    def __init__(self, folder: Path, provider: Provider, **fields: Any) -> None:
        self.folder, self.said = folder / "proof", list[str]()
        usual: dict[str, Any] = {"base_url": PROVIDER, "data_dir": folder / "data", "output_dir": folder / "videos"}
        given: dict[str, Any] = {**usual, "api_key": KEY, **fields}
        self.settings = Settings(**given)
        self.transport = httpx.MockTransport(provider)

    def shared(self, settings: Settings) -> Shared:
        def connect(settings: Settings) -> ProviderClient:
            key = settings.api_key.get_secret_value() if settings.api_key else None
            return ProviderClient(PROVIDER, key, transport=self.transport)

        return Shared(settings, connect, reach=lambda _: Fetcher(PROVIDER, public_address, lambda: self.transport))

    async def verify(self, **options: Any) -> dict[str, str]:
        wanted = VerifyOptions(output=str(self.folder), **options)
        verdicts = await verify.run(self.settings, wanted, self.said.append, self.shared)
        assert [each.fact for each in verdicts] == [*EVERY]
        return {each.fact.name: each.word for each in verdicts}

    @property
    def text(self) -> str:
        return (self.folder / REPORT).read_text("utf-8")

    @property
    def cassette(self) -> dict[str, Any]:
        return json.loads((self.folder / CASSETTE).read_text("utf-8"))


SPEND: dict[str, Any] = {"spend": MODEL, "max": Decimal(3)}


async def test_the_sandbox_confirms_every_fact_and_one_video_is_paid(tmp_path: Path) -> None:
    sandbox = Sandbox(small)
    run = Run(tmp_path, sandbox)
    found = await run.verify(creates=True, **SPEND)
    assert found == {fact.name: "confirmed" for fact in EVERY}, run.text
    assert f"{len(EVERY)} confirmed, 0 contradicted, 0 unseen." in run.text
    assert [task.body["duration"] for task in sandbox.tasks.values()] == [4]
    assert sum("videos" in path and method == "POST" for method, path in sandbox.requests) == 1 + len(REFUSED_CREATES)
    async with open_and_closed(run) as ledger:
        page, spent = await ledger.page(), await ledger.spent()
    assert sorted(record.status for record in page.records) == ["completed", *["failed"] * len(REFUSED_CREATES)]
    assert spent.total == Decimal("0.08")
    assert spent.reserved == 0


def open_and_closed(run: Run) -> Any:
    from contextlib import aclosing  # noqa: PLC0415 - as every reader of a ledger does

    return aclosing(open_ledger(run.settings, utc_now))


async def test_it_is_free_by_default_and_each_create_is_named_before_it_is_sent(tmp_path: Path) -> None:
    sandbox = Sandbox(no_film)
    found = await Run(tmp_path, sandbox).verify()
    assert {found[fact.name] for fact in FREE} == {"confirmed"}
    assert {found[fact.name] for fact in (*REFUSED, *PAID)} == {"unseen"}
    assert not any("videos" in path and method == "POST" for method, path in sandbox.requests)
    named = Run(tmp_path, sandbox)
    await named.verify(creates=True)
    told = [line for line in named.said if line.startswith("Sending a create that is documented to be refused")]
    assert [line.partition(": ")[2].rstrip(".") for line in told] == [each.description for each in REFUSED_CREATES]
    assert not sandbox.tasks


Bend = Callable[[dict[str, Any]], None]


def of(path: str, change: Bend, method: str = "GET", when: Callable[[dict[str, Any]], bool] = bool) -> tuple[Any, ...]:
    return path, method, change, when


def put(name: str, value: Any, *, inside: str = "data") -> Bend:
    def change(content: dict[str, Any]) -> None:
        (content[inside] if inside else content)[name] = value

    return change


def completed(content: dict[str, Any]) -> bool:
    data: dict[str, Any] = content.get("data") or {}
    return data.get("status") == "completed"


def of_rows(name: str, value: Any) -> Bend:
    def change(content: dict[str, Any]) -> None:
        content["data"]["list"][0][name] = value

    return change


def without_image(content: dict[str, Any]) -> None:
    del content["data"]["result"]["image_url"]


BENT: dict[str, tuple[Any, ...]] = {
    "prices: types": of("/model/catalog", of_rows("model_type", "clips")),
    "prices: modes": of("/model/catalog", of_rows("price_mode", "per_moon")),
    "balance: code": of("/user/balance", put("code", "20000", inside=""), when=lambda content: content["code"] == 20000),
    "balance: sum": of("/user/balance", put("available", 7), when=lambda content: content["code"] != 20001),
    "wrong key: code": of("/user/balance", put("code", 401, inside=""), when=lambda content: content["code"] == 20001),
    "unknown task: words": of("/videos/video_task_", put("msg", "nothing here", inside="")),
    "upload: size": of("/files/upload", put("size", 5), "POST"),
    "create with an empty prompt": of("", put("code", -1, inside=""), "POST", lambda content: "prompt" in str(content["msg"])),
    "completed: image link": of("/videos/vid_", without_image, when=completed),
    "completed: progress": of("/videos/vid_", put("progress", 99), when=completed),
}


class Contradicting:
    """The sandbox with bent answers."""

    def __init__(self, *bends: tuple[Any, ...]) -> None:
        self.sandbox, self.bends = Sandbox(small), bends

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = await self.sandbox(request)
        if "json" not in answer.headers.get("Content-Type", ""):
            return answer
        content = answer.json()
        for path, method, change, when in self.bends:
            if path in request.url.path and method == request.method and when(content):
                change(content)
        return httpx.Response(answer.status_code, json=content)


async def test_a_provider_that_contradicts_ten_facts_is_reported_with_exactly_these(tmp_path: Path) -> None:
    run = Run(tmp_path, Contradicting(*BENT.values()))
    found = await run.verify(creates=True, **SPEND)
    assert {name for name, word in found.items() if word == "contradicted"} == BENT.keys()
    assert {word for name, word in found.items() if name not in BENT} == {"confirmed"}
    assert "10 contradicted" in run.text
    assert all(SOURCES[fact.source] in run.text for fact in EVERY)


@pytest.mark.parametrize("name", BENT)
async def test_each_contradiction_is_found_by_itself(tmp_path: Path, name: str) -> None:
    found = await Run(tmp_path, Contradicting(BENT[name])).verify(creates=True, **SPEND)
    assert {each for each, word in found.items() if word == "contradicted"} == {name}


NONSENSE: dict[str, Provider] = {
    "html": lambda _: httpx.Response(200, text="<html>sk_secret_of_a_page</html>"),
    "bytes": lambda _: httpx.Response(200, content=b"\x00\xff"),
    "list": lambda _: httpx.Response(200, json=[1, 2]),
    "text data": lambda _: httpx.Response(200, json={"code": 20000, "data": "yes"}),
    "odd values": lambda _: httpx.Response(
        200, json={"code": 20000, "data": {"list": [[], {}], "balance": "1", "status": [], "unlimited": 1, "url": 3}}
    ),
    "deep": lambda _: httpx.Response(200, content=b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "errors": lambda _: httpx.Response(500, text="no"),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_a_provider_that_answers_nonsense_breaks_nothing(tmp_path: Path, kind: str) -> None:
    run = Run(tmp_path, NONSENSE[kind])
    found = await run.verify(creates=True, **SPEND)
    assert "confirmed" not in {found[fact.name] for fact in (*REFUSED, *PAID)}
    assert "sk_secret" not in json.dumps(run.cassette)
    if kind in {"html", "bytes", "list", "deep", "errors"}:
        assert "were no JSON: something other than the provider answered" in run.text
    assert not any("It was NOT refused" in line for line in run.said)


async def test_a_create_that_is_not_refused_is_written_down_as_paid(tmp_path: Path) -> None:
    sandbox = Sandbox(no_film)

    async def lax(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/videos"):
            return httpx.Response(200, json={"code": 20000, "data": {"task_id": "vid_1", "status": "queued", "cost": 0.5}})
        return await sandbox(request)

    run = Run(tmp_path, lax)
    found = await run.verify(creates=True)
    assert {found[fact.name] for fact in REFUSED} == {"contradicted"}
    assert "It was NOT refused: task vid_1" in " ".join(run.said)
    async with open_and_closed(run) as ledger:
        assert (await ledger.spent()).total >= Decimal("0.5")


async def test_no_secret_is_in_report_or_cassette(tmp_path: Path) -> None:
    def loud(request: httpx.Request) -> httpx.Response:
        words = f"{KEY} {WRONG_KEY} https://me:pass@a.example/x/y.mp4?Signature=abc sk-other123"
        return httpx.Response(200, json={"code": 20000, "msg": words, "data": {"name": "Johanna", KEY: [words], "url": words}})

    run = Run(tmp_path, loud)
    await run.verify()
    written = run.text + json.dumps(run.cassette)
    for secret in (KEY, WRONG_KEY, "Signature", "abc", "pass@", "sk-other", "Johanna", "x/y"):
        assert secret not in written
    assert "https://a.example/[removed].mp4" in written
    whole = Run(tmp_path, Sandbox(small))
    await whole.verify(creates=True, **SPEND)
    text = json.dumps(whole.cassette)
    assert not re.search(r"signature|Bearer|\"name\": \"sandbox", text)
    sent = [each["sent"] for each in whole.cassette["exchanges"] if each["sent"]]
    assert {body["prompt"] for body in sent} == {"", PROMPT}


async def test_the_sandbox_replays_a_cassette_and_gives_the_same_verdicts(tmp_path: Path) -> None:
    first = Run(tmp_path / "first", Contradicting(*BENT.values()))
    found = await first.verify(creates=True, **SPEND)
    tape = Sandbox(small, cassette=Cassette.read(first.folder / CASSETTE))
    again = Run(tmp_path / "again", tape)
    assert await again.verify(creates=True, **SPEND) == found
    assert not tape.tasks


async def test_a_file_that_is_no_cassette_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cassette.json"
    for content in ("", "[]", "{}", '{"version": 2, "exchanges": []}', '{"version": 1, "exchanges": [{}]}'):
        file.write_text(content, "utf-8")
        with pytest.raises(ValueError, match=r"."):
            Cassette.read(file)
        assert main.main(["sandbox", "--port", "0", "--cassette", str(file)]) == running.EXIT_USAGE
    file.write_text('{"version": 1, "exchanges": []}', "utf-8")
    asked = Sandbox(no_film, cassette=Cassette.read(file))
    answer = await asked(httpx.Request("POST", f"{PROVIDER}/x", headers={"Content-Type": "application/json"}, content=b"{"))
    assert answer.json()["code"] == 20001


async def test_a_video_without_a_link_is_contradicted_once(tmp_path: Path) -> None:
    bend = of("/videos/vid_", lambda content: content["data"].update(result={"image_url": ""}), when=completed)
    found = await Run(tmp_path, Contradicting(bend)).verify(**SPEND)
    assert {name for name, word in found.items() if word == "contradicted"} == {"completed: link"}
    assert found["completed: host"] == "unseen"


async def test_nonsense_is_replayed_as_it_came(tmp_path: Path) -> None:
    first = Run(tmp_path / "first", NONSENSE["html"])
    found = await first.verify()
    tape = Sandbox(no_film, cassette=Cassette.read(first.folder / CASSETTE))
    assert await Run(tmp_path / "again", tape).verify() == found


async def test_limits_and_the_price_stand_before_a_spending(tmp_path: Path) -> None:
    sandbox = Sandbox(no_film)
    run = Run(tmp_path, sandbox, max_cost_per_day=Decimal("0.01"))
    await run.verify(creates=True, **SPEND)
    await run.verify(spend=MODEL, max=Decimal("0.001"))
    assert "Allowed by --max: 0.001 JimiCoin." in " ".join(run.said)
    assert len([line for line in run.said if line.startswith("Not sent: ")]) == len(REFUSED_CREATES)
    assert not any("videos" in path and method == "POST" for method, path in sandbox.requests)
    unpriced = Sandbox(no_film, price_rows=[])
    run = Run(tmp_path / "unpriced", unpriced)
    await run.verify(creates=True, **SPEND)
    assert "is not published" in " ".join(run.said)
    assert not unpriced.tasks


@pytest.mark.slow
async def test_an_operator_who_is_asked_has_agreed_and_a_video_that_fails_is_reported(tmp_path: Path) -> None:
    from seedance_mcp.sandbox.faults import Fault  # noqa: PLC0415 - of this test only

    sandbox = Sandbox(no_film, faults=[Fault("content_refused", "/seedance/videos")])
    run = Run(tmp_path, sandbox, confirm_above=Decimal(0))
    found = await run.verify(**SPEND)
    assert "It ended as failed, at 0.0 JimiCoin." in run.said
    assert "Yes, by --spend and --max." in " ".join(run.said)
    assert (found["create: code"], found["completed: link"]) == ("confirmed", "unseen")
    slow = Run(tmp_path / "slow", Sandbox(no_film, work_seconds=5000))
    await slow.verify(**SPEND)
    assert "It still runs: seedance-mcp tasks lists it" in " ".join(slow.said)


async def test_what_cannot_be_done_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    sandbox = Sandbox(no_film)
    run = Run(tmp_path, sandbox)
    for options in ({"spend": MODEL}, {"max": Decimal(1)}):
        with pytest.raises(InvalidRequest, match="come together"):
            await run.verify(**options)
    run.folder = Path("/dev/null/proof")
    with pytest.raises(InvalidRequest, match="cannot be written to"):
        await run.verify()
    with pytest.raises(NotConfigured, match="No key is set"):
        await Run(tmp_path, sandbox, api_key=None).verify()
    assert sandbox.requests == []


async def test_a_run_that_fails_leaves_no_empty_file_and_keeps_what_an_earlier_one_wrote(tmp_path: Path) -> None:
    def closed(_: str) -> None:
        raise BrokenPipeError

    run = Run(tmp_path, Sandbox(no_film))
    wanted = VerifyOptions(output=str(run.folder))
    with pytest.raises(BrokenPipeError):
        await verify.run(run.settings, wanted, closed, run.shared)
    assert list(run.folder.iterdir()) == []
    for name in (REPORT, CASSETTE):
        (run.folder / name).write_text("of an earlier run", "utf-8")
    with pytest.raises(BrokenPipeError):
        await verify.run(run.settings, wanted, closed, run.shared)
    assert [each.read_text("utf-8") for each in run.folder.iterdir()] == ["of an earlier run"] * 2


@pytest.mark.slow
def test_the_command_proves_the_embedded_sandbox(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SEEDANCE_SANDBOX", "1")
    assert main.main(["verify", "--creates", "--output", str(tmp_path / "proof")]) == 0
    assert "0 contradicted" in capsys.readouterr().out
