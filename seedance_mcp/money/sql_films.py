"""Reads the table of joined films as rows like those of requests; the cost of a film is added up anew each time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from seedance_mcp.money import sums
from seedance_mcp.money.amounts import from_nano
from seedance_mcp.money.records import Film, Record
from seedance_mcp.money.sql_rows import read_film
from seedance_mcp.money.stores.store import Queries, Row

_ASKED_AT_ONCE = 500
"""How many ids one statement names at most."""


@dataclass(frozen=True, slots=True)
class Films:
    """The films of one principal."""

    db: Queries
    insertion_order: str
    principal: str

    def newest(self, condition: str, values: Sequence[object], limit: int) -> list[Film]:
        """Give the newest films for which a condition on the columns of `films` holds."""
        order = f"created_at DESC, {self.insertion_order} DESC"
        rows = self.db.all(
            f"SELECT * FROM films WHERE scope = ? AND {condition} ORDER BY {order} LIMIT ?", self.principal, *values, limit
        )
        return [read_film(row) for row in rows]

    def find(self, film_id: str) -> Record | None:
        """Find a film; `None` where there is none of that id."""
        found = self._named("SELECT * FROM films WHERE film_id IN", [film_id])
        return next(iter(self.records([read_film(row) for row in found])), None)

    def records(self, films: list[Film]) -> list[Record]:
        """Give films as rows, each with the cost of its parts."""
        inner, costs = {film.film_id: film for film in films}, dict[str, Decimal]()
        new = {part for film in films for part in film.parts}
        while new:
            costs |= self._costs(new)
            found = [read_film(row) for row in self._named("SELECT * FROM films WHERE film_id IN", new - costs.keys())]
            inner |= {film.film_id: film for film in found}
            new = {part for film in found for part in film.parts} - costs.keys() - inner.keys()
        return [sums.row_of_film(film, self.principal, inner, costs) for film in films]

    def _costs(self, task_ids: Iterable[str]) -> dict[str, Decimal]:
        """Give what each of some tasks costs, or is estimated to cost: of two requests that share one, the newer one."""
        rows = self._named("SELECT task_id, coalesce(settled, reserved) AS cost FROM requests WHERE task_id IN", task_ids)
        return {row["task_id"]: from_nano(int(row["cost"])) for row in rows}

    def _named(self, select: str, names: Iterable[str]) -> list[Row]:
        """Run a query for the rows of this principal that have some names."""
        every = sorted(names)
        parts = [every[begin : begin + _ASKED_AT_ONCE] for begin in range(0, len(every), _ASKED_AT_ONCE)]
        return [
            row
            for part in parts
            for row in self.db.all(
                f"{select} ({', '.join('?' * len(part))}) AND scope = ? ORDER BY created_at, {self.insertion_order}",
                *(*part, self.principal),
            )
        ]
