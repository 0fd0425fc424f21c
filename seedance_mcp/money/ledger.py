"""What was asked, paid and received; shared by every server process of one data folder."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from seedance_mcp.errors import ConfirmationRequired, SeedanceError
from seedance_mcp.money.records import (
    SENDING_SECONDS,
    Entry,
    Evidence,
    Record,
    Saved,
    SettledBy,
    Spent,
    Upload,
    from_nano,
    having,
    new_request_id,
    read_record,
    to_nano,
    to_text,
)
from seedance_mcp.money.stores.sqlite import Store
from seedance_mcp.task import FINAL, RUNNING, ProviderTask, Status

LEDGER_FILE = "ledger.sqlite3"
_DAY_SECONDS = 86_400
_ALIKE_MOST = 40
"""How many finished videos a forecast looks back on."""
TOKEN_SECONDS = 600.0
"""How long a confirmation token is good."""


class Ledger:
    """One data folder's book, seen by one principal (`scope`)."""

    def __init__(self, folder: Path, now: Callable[[], datetime], scope: str = "", store: Store | None = None) -> None:
        """Open or make the book, if it is not open as `store`; raises `LedgerUnusable`."""
        self._store = store or Store(folder / LEDGER_FILE)
        self._folder, self._now, self._scope = folder, now, scope

    def for_principal(self, principal: str) -> Ledger:
        """The same open book as another principal sees it."""
        return Ledger(self._folder, self._now, principal, self._store)

    def close(self) -> None:
        """Close the book."""
        self._store.close()

    def faults(self) -> list[str]:
        """What SQLite finds broken in the file."""
        return [row[0] for row in self._store.all("PRAGMA integrity_check") if row[0] != "ok"]

    def begin(
        self, entry: Entry, *, window_seconds: float, admit: Callable[[Spent], None], token: str | None = None
    ) -> tuple[Record, bool]:
        """Write a request down and reserve its estimate, or find the same one sent within the window.

        Gives the record and whether it is new. `admit` sees what was spent, inside the same transaction, and refuses by
        raising; a `token` is used up.
        """
        with self._store.transaction() as db:
            if earlier := self._repeat(entry.fingerprint, window_seconds):
                return earlier, False
            admit(self.spent())
            if token:
                self._use_token(db, token)
            request_id = new_request_id()
            self._insert(db, request_id, entry)
        return self.get(request_id), True

    def _insert(self, db: sqlite3.Connection, request_id: str, entry: Entry) -> None:
        db.execute(
            "INSERT INTO requests (request_id, scope, fingerprint, model, prompt, body, state, estimate, reserved,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, 'sending', ?, ?, ?)",
            (
                *(request_id, self._scope, entry.fingerprint, entry.body["model"], entry.body["prompt"]),
                *(json.dumps(entry.body), to_text(entry.estimate), to_nano(entry.estimate or Decimal(0))),
                self._at(),
            ),
        )
        self._note(db, request_id, "sending")

    def _repeat(self, fingerprint: str, window_seconds: float) -> Record | None:
        """The newest request of that fingerprint in the window that did not come to nothing."""
        row = self._store.one(
            "SELECT * FROM requests WHERE scope = ? AND fingerprint = ? AND created_at > ?"
            " AND state NOT IN ('failed', 'cancelled') ORDER BY created_at DESC",
            (self._scope, fingerprint, self._at() - window_seconds),
        )
        return self._record(row) if row else None

    def note_used(self, request_id: str, used: Decimal | None) -> None:
        """Keep the account's consumption before a request, for judging a lost answer."""
        with self._store.transaction() as db:
            db.execute("UPDATE requests SET used_before = ? WHERE request_id = ?", (to_text(used), request_id))

    def adopt(self, task_id: str, created_at: datetime | None) -> Record:
        """Take in a task that was made elsewhere, at no cost of ours."""
        began = created_at.timestamp() if created_at else self._at()
        with self._store.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO requests (request_id, scope, task_id, state, created_at, settled)"
                " VALUES (?, ?, ?, 'queued', ?, 0)",
                (new_request_id(), self._scope, task_id, began),
            )
        return self.get(task_id)

    def refuse(self, request_id: str, error: SeedanceError) -> None:
        """Write down that a request came to nothing, or that nobody knows and its money stays reserved."""
        lost = error.charged == "maybe"
        state, settled, by = ("unknown", None, None) if lost else ("failed", 0, "provider")
        with self._store.transaction() as db:
            db.execute(
                "UPDATE requests SET state = ?, error = ?, error_code = ?, settled = ?, settled_by = ?,"
                " completed_at = ? WHERE request_id = ?",
                (state, error.message, error.code, settled, by, None if lost else self._at(), request_id),
            )
            self._note(db, request_id, state)

    def update(self, request_id: str, task: ProviderTask) -> Record:
        """Write down what the provider says; progress never falls and what is known is never forgotten."""
        with self._store.transaction() as db:
            before = self.get(request_id)
            done = task.ended_at(before.created_at) or (self._now() if task.status in FINAL else None)
            status = before.status if before.status in FINAL else task.status
            settled, by = _settlement(before, task)
            db.execute(
                "UPDATE requests SET task_id = coalesce(task_id, ?), state = ?, progress = max(progress, ?),"
                " model = coalesce(model, ?), cost = coalesce(?, cost), settled = ?, settled_by = ?,"
                " completed_at = coalesce(completed_at, ?), video_url = coalesce(?, video_url), error = coalesce(?, error)"
                " WHERE request_id = ?",
                (
                    *(task.task_id, status, task.progress, task.model, to_text(task.cost)),
                    *(settled, by),
                    *(done.timestamp() if done else None, task.video_url, task.error, request_id),
                ),
            )
            if before.status != status or before.sending:
                self._note(db, request_id, status)
        return self.get(request_id)

    def save(self, request_id: str, saved: Saved) -> None:
        """Write down where a video is kept, and what its bytes are."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE requests SET saved_path = ?, saved_bytes = ?, saved_sha256 = ? WHERE request_id = ?",
                (saved.uri, saved.size_bytes, saved.sha256, request_id),
            )

    def expiring(self, age_seconds: float, lifetime_seconds: float) -> list[Record]:
        """Finished videos that are not saved and whose link has passed an age but not its lifetime, oldest first."""
        rows = self._store.all(
            "SELECT * FROM requests WHERE scope = ? AND state = 'completed' AND saved_path IS NULL AND completed_at"
            " BETWEEN ? AND ? ORDER BY completed_at",
            (self._scope, self._at() - lifetime_seconds, self._at() - age_seconds),
        )
        return [self._record(row) for row in rows]

    def settle(self, record: Record, amount: Decimal, by: SettledBy, evidence: Evidence) -> Record:
        """Replace a reservation by what is known to have been paid; what was not charged may be asked for again."""
        state = record.status if evidence == "charged" or record.status != "unknown" else "failed"
        with self._store.transaction() as db:
            db.execute(
                "UPDATE requests SET state = ?, settled = ?, settled_by = ?, evidence = ? WHERE request_id = ?",
                (state, to_nano(amount), by, evidence, record.request_id),
            )
            self._note(db, record.request_id, f"settled by {by}: {evidence}")
        return self.reread(record)

    def doubt(self, record: Record) -> Record:
        """Write down that the balance does not tell what became of a request."""
        with self._store.transaction() as db:
            db.execute("UPDATE requests SET evidence = 'cannot tell' WHERE request_id = ?", (record.request_id,))
        return self.reread(record)

    def reread(self, record: Record) -> Record:
        """The same request as it is now, whoever made it."""
        return next(map(self._record, self._store.all("SELECT * FROM requests WHERE request_id = ?", (record.request_id,))))

    def find(self, key: str) -> Record | None:
        """The request of that task id or request id."""
        row = self._store.one(
            "SELECT * FROM requests WHERE (task_id = ? OR request_id = ?) AND scope = ?", (key, key, self._scope)
        )
        return self._record(row) if row else None

    def belongs_elsewhere(self, task_id: str) -> bool:
        """Whether somebody else's request made that task."""
        return self._store.one("SELECT 1 FROM requests WHERE task_id = ? AND scope != ?", (task_id, self._scope)) is not None

    def get(self, key: str) -> Record:
        """The request of that task id or request id, which must be there."""
        found = self.find(key)
        if found is None:
            raise KeyError(key)
        return found

    def list(self, status: Status | None = None, limit: int | None = None) -> tuple[list[Record], int]:
        """The newest requests of a status, and how many there are in all."""
        chosen = having(status, self._at())
        rows = self._store.all(
            f"SELECT * FROM requests WHERE scope = ? AND {chosen} ORDER BY created_at DESC, rowid DESC LIMIT ?",  # noqa: S608 - chosen is ours
            (self._scope, -1 if limit is None else limit),
        )
        count = self._store.one(f"SELECT count(*) FROM requests WHERE scope = ? AND {chosen}", (self._scope,))  # noqa: S608 - likewise
        return [self._record(row) for row in rows], count[0] if count else 0

    def spent(self) -> Spent:
        """What went or may have gone on this UTC day and in all."""
        today = int(self._at() // _DAY_SECONDS)
        rows = self._store.all("SELECT day, spent, held FROM totals WHERE scope = ?", (self._scope,))
        return Spent(
            today=from_nano(sum(row["spent"] for row in rows if row["day"] == today)),
            total=from_nano(sum(row["spent"] for row in rows)),
            held=from_nano(sum(row["held"] for row in rows)),
        )

    def spending_by_model(self) -> list[tuple[str, int, Decimal, Decimal]]:
        """Model, requests, what was estimated and what was charged, for settled requests."""
        rows = self._store.all(
            "SELECT model, count(*), sum(reserved), sum(settled) FROM requests"
            " WHERE scope = ? AND settled IS NOT NULL AND fingerprint IS NOT NULL AND state != 'failed'"
            " GROUP BY model ORDER BY model",
            (self._scope,),
        )
        return [(row[0], row[1], from_nano(row[2]), from_nano(row[3])) for row in rows]

    def finished_alike(self, record: Record) -> list[float]:
        """How many seconds the newest tasks of the same model took to end, those of the same length where there are some."""
        if record.status not in RUNNING:
            return []
        rows = self._store.all(
            "SELECT completed_at - created_at AS took, json_extract(body, '$.duration') IS"
            " (SELECT json_extract(body, '$.duration') FROM requests WHERE request_id = ?) AS alike FROM requests"
            " WHERE scope = ? AND model = ? AND state IN ('completed', 'failed') AND task_id IS NOT NULL"
            " ORDER BY created_at DESC LIMIT ?",
            (record.request_id, record.principal, record.model, _ALIKE_MOST),
        )
        return [row["took"] for row in rows if row["alike"]] or [row["took"] for row in rows]

    def unclear(self) -> list[Record]:
        """Requests of every scope whose money is still reserved though no answer is awaited."""
        rows = self._store.all("SELECT * FROM requests WHERE settled IS NULL AND state IN ('unknown', 'sending')")
        return [record for record in map(self._record, rows) if record.status == "unknown"]

    def charged_since(self, record: Record) -> Decimal:
        """What other requests of this book are known to have cost since one was begun."""
        rows = self._store.all(
            "SELECT coalesce(sum(settled), 0) FROM requests"
            " WHERE created_at >= ? AND request_id != ? AND fingerprint NOT NULL",
            (record.created_at.timestamp(), record.request_id),
        )
        return from_nano(rows[0][0])

    def disturbed(self, record: Record) -> bool:
        """Whether other requests of this book may have moved the balance around one request without our knowing when."""
        began = record.created_at.timestamp()
        rows = self._store.all(
            "SELECT 1 FROM requests WHERE request_id != ? AND created_at BETWEEN ? AND ? AND NOT EXISTS"
            " (SELECT 1 FROM events WHERE events.request_id = requests.request_id AND state != 'sending' AND at < ?)"
            " UNION ALL SELECT 1 FROM events WHERE request_id != ? AND at >= ? AND state IN ('failed', 'cancelled')",
            (record.request_id, began - SENDING_SECONDS, began, began, record.request_id, began),
        )
        return bool(rows)

    def new_token(self, fingerprint: str, price: Decimal | None) -> str:
        """Make a token for one exact request at one price; only its digest is kept."""
        token = f"confirm_{secrets.token_hex(16)}"
        with self._store.transaction() as db:
            expires_at = self._at() + TOKEN_SECONDS
            values = (_digest(token), self._scope + fingerprint, str(price), expires_at)
            db.execute("INSERT INTO tokens (digest, fingerprint, price, expires_at) VALUES (?, ?, ?, ?)", values)
        return token

    def _use_token(self, db: sqlite3.Connection, token: str) -> None:
        values = (self._at(), _digest(token))
        if db.execute("UPDATE tokens SET used_at = ? WHERE digest = ? AND used_at IS NULL", values).rowcount != 1:
            raise ConfirmationRequired("The confirm_token was used meanwhile: ask the person again.")

    def token_fault(self, token: str, fingerprint: str, price: Decimal | None) -> str | None:
        """Why a token does not confirm a request, or `None`."""
        row = self._store.one("SELECT * FROM tokens WHERE digest = ?", (_digest(token),))
        if row is None:
            return "it is not one of ours"
        if row["used_at"] is not None:
            return "it was used already"
        if row["expires_at"] < self._at():
            return "it has expired"
        if (row["fingerprint"], row["price"]) != (self._scope + fingerprint, str(price)):
            return "it was given for another request or price"
        return None

    def remember_media(self, reference: str, seconds: float | None) -> None:
        """Keep how long a reference plays, for pricing."""
        with self._store.transaction() as db:
            db.execute("INSERT OR REPLACE INTO media VALUES (?, ?, ?)", (reference, seconds, self._at()))

    def media_seconds(self, reference: str) -> float | None:
        """How long a reference plays, if it went through here."""
        row = self._store.one("SELECT seconds FROM media WHERE reference = ?", (reference,))
        return row[0] if row else None

    def remember_upload(self, digest: str, upload: Upload) -> None:
        """Keep where bytes went, so that they need not be sent again."""
        values = (self._scope, digest, upload.link, upload.asset_id, upload.at.timestamp())
        with self._store.transaction() as db:
            db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?)", values)

    def find_upload(self, digest: str, lifetime_seconds: float) -> Upload | None:
        """Where the same bytes went within a time."""
        row = self._store.one(
            "SELECT * FROM uploads WHERE scope = ? AND digest = ? AND at > ?",
            (self._scope, digest, self._at() - lifetime_seconds),
        )
        return Upload(row["link"], row["asset_id"], datetime.fromtimestamp(row["at"], UTC)) if row else None

    def _note(self, db: sqlite3.Connection, request_id: str, state: str) -> None:
        db.execute("INSERT INTO events VALUES (?, ?, ?)", (request_id, state, self._at()))

    def _at(self) -> float:
        return self._now().timestamp()

    def _record(self, row: sqlite3.Row) -> Record:
        return read_record(row, self._now())


def _settlement(before: Record, task: ProviderTask) -> tuple[int | None, SettledBy | None]:
    """What a request counts for from now on: the provider's cost, what was settled before, or the estimate."""
    if before.adopted:
        return 0, before.settled_by
    if task.cost is not None:
        return to_nano(task.cost), "provider"
    if before.settled is not None:
        return to_nano(before.settled), before.settled_by
    return (None, None) if before.estimate is None else (to_nano(before.estimate), "estimate")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
