"""What a history of money is made of: a provider that knows the truth, processes that stop and die, and two clocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import anyio.to_thread
import httpx
import trio
from memory_ledger import MemoryLedger, Tables
from trio.testing import MockClock, wait_all_tasks_blocked

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import SeedanceError, TaskNotFound
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.policy import RUNS_MOST_SECONDS, is_of_unknown_outcome
from seedance_mcp.money.records import Record, Reservation
from seedance_mcp.money.sql_ledger import Engine, SqlLedger
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore
from seedance_mcp.money.stores.store import Store
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.arguments import GetTask, ListTasks, NoArguments, read_create_video
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.balance import get_balance
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.session import Session, Shared
from seedance_mcp.tools.tasks import get_task, list_tasks

T = TypeVar("T")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROVIDER, MODEL = "http://provider.invalid", "seedance2.0-md"
PRINCIPALS, PROMPTS, PROCESSES = ("", "bob"), 3, 3
NOTHING = Decimal(0)
DEDUPE_SECONDS = 600
EDITION = load_edition()

Says = Literal["told", "lost", "dropped", "unheard", "refused", "busy", "busy_paid", "gateway", "gateway_paid"]
"""How the provider answers a create: `_paid`, `told` and `lost` make a video and charge it, the others make none."""
PAID: tuple[Says, ...] = ("told", "lost", "busy_paid", "gateway_paid")
Kind = Literal["create", "get", "balance", "list"]
Stop = Literal["no", "die", "pause"]


class Died(BaseException):
    """The process of a call ended; no handler of the product takes it for an error."""


@dataclass(frozen=True)
class Nature:
    """How a provider and an operator are, for one whole history."""

    priced: bool = True
    at_create: Literal["cost", "nothing", "zero"] = "cost"
    at_query: Literal["cost", "nothing", "end"] = "cost"
    charged_at: Literal["create", "end"] = "create"
    factor: Decimal = Decimal(1)
    """What a video really costs, as a part of its listed price."""
    settles: Decimal = NOTHING
    """What is charged on top, or given back, when a video is completed."""
    refunds: bool = True
    """Whether what was charged for a failed video is given back."""
    limits: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True)
class Step:
    """One thing that happens: a call, or something in the world."""

    what: Literal["call", "end", "release", "advance", "jump", "kill", "silence", "price"]
    kind: Kind = "create"
    process: int = 0
    principal: int = 0
    number: int = 0
    """Which prompt, task or paused call; how far a clock goes."""
    says: Says = "told"
    again: bool = False
    """Whether the call allows a duplicate."""
    stop: Stop = "no"
    at: int = 0
    """At which of its steps the call stops."""


@dataclass(eq=False)
class Call:
    """One call of a tool."""

    step: Step
    process: Process
    gate: trio.Event = field(default_factory=trio.Event)
    steps: int = 0
    request_id: str | None = None
    """Of a create that got its place in the ledger."""
    created_at: datetime = NOON
    estimate: Decimal = NOTHING
    told: Decimal | None = None
    """What the ledger was told that it cost."""
    ended_as: str | None = None
    """The final state that the ledger was told."""
    asked: Decimal | None = None
    """What the account had used when this call asked first, where it was told."""
    has_asked: bool = False
    is_over: bool = False
    result: Any = None
    error: SeedanceError | None = None

    @property
    def principal(self) -> str:
        return PRINCIPALS[self.step.principal]

    @property
    def name(self) -> str:
        return f"{self.principal or 'me'} {self.step.number % PROMPTS}"


CALL: ContextVar[Call] = ContextVar("call")


@dataclass(eq=False)
class Post:
    """A create as the provider got it."""

    call: Call
    task_id: str | None
    charged: Decimal = NOTHING
    status: str = "processing"
    told: bool = False
    """Whether the answer with its id went out."""

    @property
    def is_paid(self) -> bool:
        return self.charged > 0 or (self.task_id is not None and self.status not in {"failed", "cancelled"})


class Clock:
    """The wall clock, which everybody may set; no two readings are the same."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Provider:
    """It knows every create that arrived and every coin that was charged."""

    nature: Nature
    price: Decimal = Decimal(5)
    posts: list[Post] = field(default_factory=list[Post])
    sent_late: list[str] = field(default_factory=list[str])
    """What came after the same request, made later, was paid: its place had been given up."""
    silent: bool = False
    """It does not tell the balance."""

    @property
    def used(self) -> Decimal:
        return Decimal(10) + sum((post.charged for post in self.posts), NOTHING)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path, call = request.url.path, CALL.get()
        if request.method == "POST":
            return self._create(call)
        if path.endswith("/user/balance"):
            told = {} if self.silent else {"balance": 1000, "used_coin": str(self.used)}
            if not call.has_asked:
                call.asked, call.has_asked = None if self.silent else self.used, True
            return _ok(told)
        if path.endswith("/model/catalog"):
            row = {"model_name": MODEL, "price_mode": "per_task", "unit_price": str(self.price)}
            return _ok({"list": [row] if self.nature.priced else []})
        if "/videos/" in path:
            return self._query(path.rpartition("/")[2])
        return _ok({"name": "key"})

    def _create(self, call: Call) -> httpx.Response:
        says = call.step.says
        if says == "unheard":
            raise httpx.ConnectError("no way")
        same = [post for post in self.posts if post.call.name == call.name and post.is_paid and not post.call.step.again]
        if not call.step.again and any(post.call.created_at > call.created_at for post in same):
            self.sent_late.append(call.name)
        post = Post(call, f"vid_{len(self.posts)}" if says in PAID else None)
        if says in PAID and self.nature.charged_at == "create":
            post.charged = self.price * self.nature.factor
        self.posts.append(post)
        if says in {"lost", "dropped"}:
            raise httpx.ReadError("gone")
        if says.startswith("gateway"):
            return httpx.Response(504, text="<html>gateway</html>")
        if says.startswith("busy"):
            return httpx.Response(200, json={"code": -1, "msg": "系统繁忙，请稍后重试"})
        if says == "refused":
            return httpx.Response(200, json={"code": 20002, "msg": "bad prompt"})
        post.told = True
        cost = {"cost": {"cost": str(post.charged)}, "nothing": {}, "zero": {"cost": 0}}[self.nature.at_create]
        return _ok({"task_id": post.task_id, "status": "queued", **cost})

    def _query(self, task_id: str) -> httpx.Response:
        post = next((post for post in self.posts if post.task_id == task_id), None)
        if post is None:
            return httpx.Response(404, text="no such task")
        is_over = post.status != "processing"
        tells = self.nature.at_query == "cost" or (self.nature.at_query == "end" and is_over)
        url = {"video_url": f"https://a.invalid/{task_id}.mp4"} if post.status == "completed" else {}
        cost = {"cost": str(post.charged)} if tells else {}
        return _ok({"task_id": task_id, "status": post.status, **url, **cost})

    def give_up_old(self, now: datetime) -> None:
        """No video is in the making for longer than the product takes for possible."""
        for post in self.posts:
            if post.status == "processing" and (now - post.call.created_at).total_seconds() >= RUNS_MOST_SECONDS:
                post.status = "failed"

    def end(self, number: int, *, well: bool) -> None:
        """Let a running video end."""
        running = [post for post in self.posts if post.task_id and post.status == "processing"]
        if not running:
            return
        post = running[number % len(running)]
        post.status = "completed" if well else ("failed", "cancelled")[number % 2]
        if well and self.nature.charged_at == "end":
            post.charged = self.price * self.nature.factor
        if well:
            post.charged = max(NOTHING, post.charged + self.nature.settles)
        elif self.nature.refunds:
            post.charged = NOTHING


def _ok(data: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"code": 0, "data": data})


class Inline(Engine):
    """The engine without threads: every verb is done when it is called."""

    async def read(self, work: Callable[[Store], T]) -> T:
        return work(self._store())

    async def look_up(self, work: Callable[[Store], T]) -> T:
        return work(self._store())

    async def write(self, work: Callable[[Store], T]) -> T:
        return work(self._store())


UNSTOPPED = {"for_principal", "aclose", "keep_awaiting"}


class Mortal:
    """A ledger as a process has it: each verb is a step at which the process can stop."""

    def __init__(self, ledger: Ledger, process: Process) -> None:
        self._ledger, self._process = ledger, process

    def for_principal(self, principal: str) -> Mortal:
        return Mortal(self._ledger.for_principal(principal), self._process)

    async def keep_awaiting(self, request_id: str) -> None:
        self._process.check()
        await self._ledger.keep_awaiting(request_id)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def verb(*values: Any, **more: Any) -> Any:
            await self._process.step()
            given = await getattr(self._ledger, name)(*values, **more)
            if name == "reserve":
                await self._process.world.reserved(CALL.get(), values[0], given)
            if name == "observe":
                self._process.world.observed(values[0], values[1])
            self._process.check()
            return given

        return verb


@dataclass(eq=False)
class Process:
    """A server process: what it has in memory is gone when it dies."""

    world: World
    is_dead: bool = False

    def __post_init__(self) -> None:
        self.shared = Shared(self.world.settings, self._connect, self.world.clock, open_ledger=self._open, edition=EDITION)

    def _connect(self, _: Settings) -> ProviderClient:
        return ProviderClient(PROVIDER, "key", transport=httpx.MockTransport(self._carry))

    def _open(self, _: Settings, now: Callable[[], datetime]) -> Ledger:
        return cast("Ledger", Mortal(self.world.open_ledger(), self))

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        await self.step()
        try:
            answer = self.world.provider.answer(request)
        except httpx.TransportError:
            await self.step()
            raise
        await self.step()
        return answer

    def check(self) -> None:
        if self.is_dead:
            raise Died

    async def step(self) -> None:
        """Stop here, where the call is to; a process that died meanwhile does nothing more."""
        self.check()
        call = CALL.get()
        call.steps += 1
        if call.steps == call.step.at and call.step.stop == "die":
            self.is_dead = True
        if call.steps == call.step.at and call.step.stop == "pause":
            self.world.paused.append(call)
            await call.gate.wait()
        self.check()


@dataclass(eq=False)
class World:
    """One history: it does the steps, and holds what the ledger says against the truth."""

    nature: Nature
    folder: Path
    engine: str
    steady: MockClock
    nursery: trio.Nursery

    def __post_init__(self) -> None:
        usual = {
            "data_dir": self.folder,
            "poll_floor_seconds": 0.001,
            "allow_unpriced": True,
            "base_url": "https://provider.invalid",
        }
        chosen: dict[str, Any] = {**usual, **dict(self.nature.limits)}
        self.settings = Settings(**chosen)
        self.clock, self.provider, self._tables = Clock(), Provider(self.nature), Tables()
        self.calls: list[Call] = []
        self.paused: list[Call] = []
        self.broken: list[AssertionError] = []
        self.first_used: Decimal | None = None
        self._opened: list[Ledger] = []
        self.processes = [Process(self) for _ in range(PROCESSES)]
        self.truth = self.open_ledger()

    def open_ledger(self) -> Ledger:
        if self.engine == "memory":
            return MemoryLedger(self._tables, self.clock)
        ledger = SqlLedger(Inline(partial(SqliteStore, self.folder / LEDGER_FILE)), self.clock)
        self._opened.append(ledger)
        return ledger

    # what happens

    async def do(self, step: Step) -> None:
        """Let one thing happen, and wait until everybody sleeps."""
        match step.what:
            case "call":
                await self._start(step)
            case "end":
                self.provider.end(step.number, well=step.again)
            case "release" if self.paused:
                self.paused.pop(step.number % len(self.paused)).gate.set()
            case "advance":
                self._pass((0.5, 3, 30, 125, 200, 700, 90_000)[step.number % 7])
            case "jump":
                self.clock.move((200, 3600, -200, -3600, 100_000, -100_000)[step.number % 6])
            case "kill":
                self._kill(self.processes[step.process])
            case "silence":
                self.provider.silent = not self.provider.silent
            case "price":
                self.provider.price = Decimal(step.number % 9 + 1)
            case _:
                pass
        await self.idle()
        self.provider.give_up_old(self.clock.now)
        await self.compare()
        for error in self.broken:
            raise error

    def _pass(self, seconds: float) -> None:
        self.clock.move(seconds)
        self.steady.jump(seconds)

    async def idle(self) -> None:
        await _all_blocked()
        self._pass(0.01)  # what is shared out to all polls
        await _all_blocked()

    def _kill(self, process: Process) -> None:
        process.is_dead = True
        for call in [call for call in self.paused if call.process is process]:
            self.paused.remove(call)
            call.gate.set()

    async def _start(self, step: Step) -> None:
        if self.processes[step.process].is_dead:
            self.processes[step.process] = Process(self)
        call = Call(step, self.processes[step.process])
        self.calls.append(call)
        self.nursery.start_soon(self._run, call)

    async def _run(self, call: Call) -> None:
        CALL.set(call)
        try:
            call.result = await self._work(call)
        except SeedanceError as error:
            call.error = error
        except AssertionError as error:
            self.broken.append(error)
        except Died:
            self._kill(call.process)
        except BaseExceptionGroup as group:
            if group.split(Died)[1]:
                raise
            self._kill(call.process)
        finally:
            call.is_over = True

    async def _work(self, call: Call) -> Any:
        session, nobody = call.process.shared.session(call.principal), Nobody()
        match call.step.kind:
            case "create":
                request = {"model": MODEL, "prompt": call.name}
                wanted = read_create_video(EDITION, {"request": request, "allow_duplicate": call.step.again})
                return await create_video(session, wanted, nobody)
            case "get":
                return await get_task(session, GetTask(task_id=self._some_id(call)), nobody)
            case "balance":
                return await get_balance(session, NoArguments(), nobody)
            case "list":
                return await list_tasks(session, ListTasks(refresh=True), nobody)

    def _some_id(self, call: Call) -> str:
        ids = [each.request_id for each in self.calls if each.request_id and each.principal == call.principal]
        return ids[call.step.number % len(ids)] if ids else "vid_none"

    # what must hold

    async def row(self, call: Call) -> Record:
        assert call.request_id
        return await self.truth.for_principal(call.principal).get(call.request_id)

    async def reserved(self, call: Call, request: Any, found: Reservation) -> None:
        """A request got its place, or not: no other one of its kind is open, and no limit is passed by what is known."""
        if not found.is_new or call.request_id:
            return
        if not call.step.again:
            await self._is_no_second(call)
        call.request_id, call.created_at = found.record.request_id, found.record.created_at
        call.estimate = request.estimate or NOTHING
        for name, limit in self.nature.limits:
            await self._keeps(call, name, limit, is_priced=request.estimate is not None)

    async def _is_no_second(self, call: Call) -> None:
        for other in [other for other in self.calls if other.request_id and other.name == call.name]:
            row = await self.row(other)
            assert not is_of_unknown_outcome(row), "a second request beside one of unknown outcome"
            assert not row.sending, "a second request beside one that is under way"
            awaited = row.sent_at is not None and not other.is_over and not other.process.is_dead and row.task_id is None
            assert not awaited, "a second request beside one whose answer is awaited"
            recent = row.created_at > self.clock.now - timedelta(seconds=DEDUPE_SECONDS)
            assert not (recent and row.status not in {"failed", "cancelled"}), "a second request within the window"

    async def _keeps(self, call: Call, name: str, limit: Decimal, *, is_priced: bool) -> None:
        """What the ledger was told, the estimates of the others, and what the account told this call pass no limit."""
        if name == "max_cost_per_video":
            assert not is_priced or call.estimate <= limit
            return
        others = [other for other in self.calls if other.request_id and other is not call]
        if "account" not in name:
            others = [other for other in others if other.principal == call.principal]
        if "day" in name:
            others = [other for other in others if other.created_at.date() == call.created_at.date()]
        known = sum([await self._counts(other) for other in others], NOTHING)
        if name == "max_cost_account_total" and call.asked is not None and self.first_used is not None:
            known = max(known, call.asked - self.first_used)
        assert known + call.estimate <= limit, f"{known} known and {call.estimate} more pass {name} {limit}"
        assert is_priced or known < limit, f"an unknown price although {known} used up {name} {limit}"

    async def _counts(self, call: Call) -> Decimal:
        """Give the least that a request has to count: what was told of it, else its estimate as long as it may be charged."""
        posts = [post for post in self.provider.posts if post.call is call]
        if call.told is not None:
            return call.told
        if call.ended_as in {"failed", "cancelled"} or (call.is_over and not any(post.is_paid for post in posts)):
            return NOTHING
        row = await self.row(call)
        if row.settled_by == "balance" or (row.state, row.settled) == ("failed", NOTHING):
            return row.settled or NOTHING
        return call.estimate

    def observed(self, request_id: str, task: ProviderTask) -> None:
        """Keep what the ledger was told about a request."""
        (call,) = [call for call in self.calls if call.request_id == request_id]
        call.ended_as = call.ended_as or (task.status if task.status in {"completed", "failed", "cancelled"} else None)
        if task.cost or (task.cost is not None and call.ended_as):
            call.told = task.cost

    async def compare(self) -> None:
        """Hold what is said of every request against the truth."""
        assert not self.provider.sent_late, "sent although it was given up, and paid a second time"
        for post in self.provider.posts:
            if post.call.request_id is None:
                continue
            row = await self.row(post.call)
            if post.is_paid:
                assert row.evidence != "not charged", f"paid, and judged unpaid: {row}"
                assert row.task_id or row.status not in {"failed", "cancelled"}, f"paid, and told as failed: {row}"
                assert not (post.call.error and post.call.error.charged == "no"), f"paid, and told as free: {post.call.error}"

    async def finish(self) -> None:
        """Let every call end, and find every video by the tools of a process that starts now."""
        for _ in range(3):
            while self.paused:
                self.paused.pop().gate.set()
                await self.idle()
            self._pass(61)
            await self.idle()
        self._pass(400)
        assert all(call.is_over for call in self.calls)
        assert not self.broken, self.broken
        await self.compare()
        assert all(sum(post.call is call for post in self.provider.posts) <= 1 for call in self.calls), "two POSTs of one call"
        self._honest()
        self.steady.autojump_threshold = 0  # whoever sleeps from now on sleeps for nobody else
        for principal in PRINCIPALS:
            await self._finds(Process(self).shared.session(principal))

    def _honest(self) -> None:
        """Where the provider charges what it lists, and tells it at once, no limit is passed at all."""
        nature, prices = self.nature, {call.estimate for call in self.calls if call.request_id}
        if (nature.factor, nature.settles, nature.refunds) != (1, 0, True) or prices > {Decimal(5)} or not nature.priced:
            return
        for name, limit in nature.limits:
            posts = [post for post in self.provider.posts if "account" in name or not post.call.principal]
            if name.endswith("total") and self.provider.price == Decimal(5):
                assert sum((post.charged for post in posts), NOTHING) <= limit, f"{name} {limit} was passed"

    async def _finds(self, session: Session) -> None:
        CALL.set(Call(Step("call"), Process(self)))
        listed = (await list_tasks(session, ListTasks(limit=100, detail="full"), Nobody())).tasks
        for post in self.provider.posts:
            if post.call.request_id is None or post.call.principal != session.principal:
                continue
            (shown,) = [task for task in listed if isinstance(task, Task) and task.request_id == post.call.request_id]
            if shown.task_id is None and post.is_paid:
                assert shown.status == "unknown", f"a lost video is shown as {shown.status}"
            reached = isinstance(post.call.result, Task) and post.call.result.task_id == post.task_id
            if reached and post.task_id:
                assert shown.task_id == post.task_id, "the id of a video got lost"
                try:
                    await get_task(session, GetTask(task_id=post.task_id), Nobody())
                except TaskNotFound as error:
                    raise AssertionError("a video cannot be reached") from error

    async def give_up(self) -> None:
        """End every process and call: a request that is shielded ends only by itself."""
        for process in {call.process for call in self.calls}:
            self._kill(process)
        while not all(call.is_over for call in self.calls):
            self._pass(61)
            await self.idle()
        for ledger in self._opened:
            await ledger.aclose()


QUIET_ROUNDS = 2
"""A thread that ends lets its task go on a moment later, which may ask another one."""


async def _all_blocked() -> None:
    """Wait until every task waits for another one or for the clock, and none for a thread, twice in a row."""
    threads, quiet = anyio.to_thread.current_default_thread_limiter(), 0
    while quiet < QUIET_ROUNDS:
        busy = threads.borrowed_tokens
        await wait_all_tasks_blocked()
        quiet = 0 if busy or threads.borrowed_tokens else quiet + 1


async def _tell(nature: Nature, steps: list[Step], folder: Path, engine: str, steady: MockClock) -> list[str | None]:
    async with trio.open_nursery() as nursery:
        world = World(nature, folder, engine, steady, nursery)
        try:
            for step in steps:
                await world.do(step)
            await world.finish()
            return [(await world.row(call)).evidence for call in world.calls if call.request_id]
        finally:
            await world.give_up()
    raise AssertionError("unreachable")


def live(nature: Nature, steps: list[Step], folder: Path, engine: str) -> list[str | None]:
    """Live through one history; gives the evidence of each request, and raises where something does not hold."""
    steady = MockClock()
    return trio.run(_tell, nature, steps, folder, engine, steady, clock=steady)
