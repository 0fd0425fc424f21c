"""The rules of what lists and sums of requests count, as pure functions; every implementation of the ledger uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from seedance_mcp.money.amounts import exact
from seedance_mcp.money.policy import reserved
from seedance_mcp.money.records import Film, ModelSpending, Record, State, Totals, Wanted

_NOTHING = Decimal(0)


def kept(record: Record) -> bool | None:
    """Say whether a finished video is saved; `None` where there is no finished video."""
    return record.saved is not None if record.state == "completed" else None


def totals_of(record: Record) -> Totals:
    """Give what one request adds to the totals."""
    estimated = exact(record.estimate or _NOTHING)
    return Totals(1, estimated, record.settled or _NOTHING, reserved(record), int(kept(record) is False))


def row_of_film(film: Film, principal: str, films: Mapping[str, Film], costs: Mapping[str, Decimal]) -> Record:
    """Give a joined film as a row like that of a request.

    Args:
        film: The film.
        principal: Whose it is.
        films: The films that it is made of, by id, and theirs.
        costs: What each task of them all costs; one that was used twice cost once.
    """
    cost = sum((costs.get(task_id, _NOTHING) for task_id in _tasks_of(film, films)), _NOTHING)
    return Record(
        request_id=film.film_id,
        task_id=film.film_id,
        principal=principal,
        fingerprint=None,
        state="completed",
        progress=100,
        created_at=film.created_at,
        completed_at=film.created_at,
        duration=round(film.seconds),
        cost=cost,
        settled=cost,
        saved=film.saved,
        project=film.project,
        parts=film.parts,
    )


def _tasks_of(film: Film, films: Mapping[str, Film]) -> set[str]:
    found = set[str]()
    for part in film.parts:
        found |= _tasks_of(films[part], films) if part in films else {part}
    return found


def has_films(wanted: Wanted) -> bool:
    """Say whether a film can be among what is asked for: each is finished and saved."""
    return wanted.status in {None, "completed"} and wanted.saved is not False


def counts_as_video(state: State) -> bool:
    """Say whether a settled request of this state belongs into a comparison of estimates with charges."""
    return state != "failed"


def add_up(parts: Iterable[ModelSpending]) -> list[ModelSpending]:
    """Give one sum for each model, in the order of their names."""
    sums: dict[str, ModelSpending] = {}
    for part in parts:
        sums[part.model] = sums[part.model] + part if part.model in sums else part
    return [sums[model] for model in sorted(sums)]
