"""Writes the ledger's tables: each change reads a row, asks `policy` for the next one, and writes that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from seedance_mcp.errors import ConfirmationRequired, LedgerUnusable, SeedanceError, TaskNotFound
from seedance_mcp.money import audit, policy, sql_people
from seedance_mcp.money.records import Film, Media, NewRequest, Record, Reservation, Saved, Spent, Upload, Verdict
from seedance_mcp.money.sql_queries import NO_SUCH_TASK, Reading
from seedance_mcp.money.sql_rows import insert_event, insert_film, insert_record, update_record
from seedance_mcp.money.stores.store import Transaction
from seedance_mcp.task import ProviderTask


@dataclass(frozen=True, slots=True)
class Changing:
    """One transaction of a principal; `now` was read inside it."""

    db: Transaction
    read: Reading
    """What the transaction itself sees."""

    def reserve(
        self, request: NewRequest, window_seconds: float | None, admit: Callable[[Spent], None], token_digest: str | None
    ) -> Reservation:
        """Give a new request its place, or the earlier one that it duplicates; one that has its place keeps it."""
        if mine := self.read.find_anybodys("request_id", request.request_id):
            return Reservation(mine, is_new=True)
        earlier = None if window_seconds is None else self.read.duplicated(request.fingerprint, window_seconds)
        if earlier:
            return Reservation(earlier, is_new=False)
        self.release_unsent()
        admit(self.read.spent())
        if token_digest:
            self._use_token(token_digest)
        record = policy.reserve(request, self.read.principal, self.read.now)
        insert_record(self.db, record, request)
        if token_digest:
            sql_people.enter(self.db, audit.of_request("confirmed", record, self.read.now))
        return Reservation(record, is_new=True)

    def _use_token(self, digest: str) -> None:
        if self.db.run("UPDATE tokens SET used_at = ? WHERE digest = ? AND used_at IS NULL", self.read.at, digest) != 1:
            raise ConfirmationRequired("The confirm_token was used meanwhile: ask the user again.")

    def adopt(self, request_id: str, task_id: str, made_at: datetime | None) -> Record:
        """Take in a task that was made elsewhere, unless it is known."""
        known = self.read.find(task_id) or self.read.find_anybodys("task_id", task_id)
        if known and known.principal != self.read.principal:
            raise TaskNotFound(NO_SUCH_TASK)
        record = known or policy.adopt(request_id, task_id, self.read.principal, made_at or self.read.now)
        if known is None:
            insert_record(self.db, record)
        return record

    def mark_sending(self, request_id: str, used: Decimal | None, now: datetime) -> Record:
        """Note that a request is sent now, and what the account has used."""
        before = self._known(request_id)
        return self._write(before, policy.mark_sending(before, used, now))

    def keep_awaiting(self, request_id: str) -> None:
        """Note that this process still awaits the answer to a request."""
        before = self._known(request_id)
        self._write(before, policy.keep_awaiting(before, self.read.now))

    def release_unsent(self) -> None:
        """Release what is reserved for requests that never left."""
        for record in self.read.unsent():
            self._write(record, policy.release(record, self.read.now))

    def observe(self, request_id: str, task: ProviderTask) -> Record:
        """Take in what the provider reports, for every request that shares the task."""
        before = self._known(request_id)
        after = self._write(before, policy.observe(before, task, self.read.now))
        for other in self.read.requests_of(after.task_id) if after.task_id else []:
            if other.request_id != request_id:
                self._write(other, policy.observe(other, task, self.read.now))
        return after

    def fail(self, request_id: str, error: SeedanceError) -> Record:
        """Take in that a request got no task."""
        before = self._known(request_id)
        return self._write(before, policy.fail(before, error, self.read.now))

    def save(self, request_id: str, saved: Saved) -> Record:
        """Note where a video is kept."""
        before = self._known(request_id)
        return self._write(before, policy.save(before, saved))

    def keep_film(self, film: Film) -> None:
        """Note where a joined film is kept."""
        insert_film(self.db, film, self.read.principal)

    def settle(self, request_id: str, verdict: Verdict) -> Record:
        """Take in what became of a request of unknown outcome."""
        before = self._known(request_id)
        after = policy.settle(before, verdict)
        self._update(before, after)
        if policy.is_settled_anew(before, after):
            insert_event(self.db, request_id, f"settled by {verdict.by}: {verdict.evidence}", self.read.at)
        return after

    def judge(self, known: Record, used: Decimal, asked_at: datetime, *, only_one: bool) -> Record:
        """Judge a request of unknown outcome, unless it changed since it was read, and settle what is certain."""
        before = self._known(known.request_id)
        if not policy.is_of_unknown_outcome(before) or before.used_before != known.used_before:
            return before
        others = self.read.movements(before, asked_at)
        return self.settle(before.request_id, policy.judge(before, used, others, asked_at, only_one=only_one))

    def _write(self, before: Record, after: Record) -> Record:
        """Write a change, and that it happened where it led to another state."""
        self._update(before, after)
        changed = (after.state if before.state != after.state else None, policy.settled_anew(before, after))
        for event in filter(None, changed):
            insert_event(self.db, after.request_id, event, self.read.at)
        return after

    def _update(self, before: Record, after: Record) -> None:
        """Write what changed in a row, and into the audit what concerns money in it."""
        update_record(self.db, before, after, self.read.at)
        for entry in audit.of_change(before, after, self.read.now):
            sql_people.enter(self.db, entry)

    def _known(self, request_id: str) -> Record:
        found = self.read.find_anybodys("request_id", request_id)
        if found is None:
            raise LedgerUnusable(
                f"The ledger does not hold request {request_id} any more: its file was replaced or emptied. Nothing is sent "
                "without it: the operator should put the ledger back."
            )
        return found

    def add_token(self, digest: str, fingerprint: str, terms: str) -> None:
        """Keep the digest of a token for one request on its terms; their column has the name of a part of them."""
        self.db.run(
            "INSERT INTO tokens (digest, fingerprint, price, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            *(digest, self.read.principal + fingerprint, terms, self.read.at + policy.TOKEN_SECONDS),
        )

    def keep_answer(self, fingerprint: str, *, agreed: bool) -> None:
        """Keep a no of the user's and use up every token for the request, or forget the no after a yes."""
        name = self.read.principal + fingerprint
        self.db.run("DELETE FROM refusals WHERE fingerprint = ?", name)
        if not agreed:
            self.db.run("INSERT INTO refusals (fingerprint, at) VALUES (?, ?)", name, self.read.at)
            self.db.run("UPDATE tokens SET used_at = ? WHERE fingerprint = ? AND used_at IS NULL", self.read.at, name)

    def remember_media(self, media: Media) -> None:
        """Keep what was learnt of a reference."""
        key, (width_px, height_px) = self.read.principal + media.reference, media.size_px or (None, None)
        expires_at = media.expires_at.timestamp() if media.expires_at else None
        self.db.run("DELETE FROM media WHERE reference = ?", key)
        self.db.run(
            "INSERT INTO media (reference, seconds, at, kind, review, width_px, height_px, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(key, media.seconds, self.read.at, media.kind, media.review, width_px, height_px, expires_at),
        )

    def prune(self, before: datetime) -> int:
        """Forget what old requests said; events stay that may still judge an unsettled request."""
        row = self.db.one("SELECT min(created_at) AS at FROM requests WHERE settled IS NULL AND fingerprint IS NOT NULL")
        oldest = row["at"] if row and row["at"] is not None else self.read.at
        self.db.run("DELETE FROM events WHERE at < ?", min(before.timestamp(), oldest - policy.RUNS_MOST_SECONDS))
        self.db.run("DELETE FROM tokens WHERE expires_at < ?", before.timestamp())
        for table in ("media", "uploads"):
            self.db.run(f"DELETE FROM {table} WHERE at < ?", before.timestamp())
        return self.db.run(
            "UPDATE requests SET prompt = NULL, body = NULL, video_url = NULL WHERE created_at < ? AND settled IS NOT NULL"
            " AND NOT (prompt IS NULL AND body IS NULL AND video_url IS NULL)",
            before.timestamp(),
        )

    def remember_upload(self, digest: str, upload: Upload) -> None:
        """Keep where bytes were sent to."""
        self.db.run(
            "INSERT INTO uploads (scope, digest, link, asset_id, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (scope, digest)"
            " DO UPDATE SET link = excluded.link, asset_id = excluded.asset_id, at = excluded.at",
            *(self.read.principal, digest, upload.url, upload.asset_id, upload.at.timestamp()),
        )
