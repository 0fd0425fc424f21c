"""The rules of money, whatever is reported in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.errors import OutcomeUnknown, ProviderFailed, ProviderUnreachable
from seedance_mcp.money import policy, sums
from seedance_mcp.money.amounts import exact
from seedance_mcp.money.records import (
    Evidence,
    ModelSpending,
    Movements,
    NewRequest,
    Record,
    Saved,
    State,
    Token,
    Took,
    Totals,
    Verdict,
)
from seedance_mcp.task import FINAL, ProviderTask, Status

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STATUSES: tuple[Status, ...] = ("queued", "processing", "completed", "failed", "cancelled", "unknown")
NEW = policy.reserve(NewRequest({"model": "m", "prompt": "a fox", "duration": 5}, "x", Decimal("2.5"), "req_1"), "", NOON)
UNPRICED = NEW._replace(estimate=None)
ADOPTED = policy.adopt("req_2", "vid_2", "", NOON)
LOST = policy.fail(NEW, OutcomeUnknown("lost", charged="maybe"), NOON)

Step = Callable[[Record], Record]

amounts = st.none() | st.decimals(0, 1000, places=9)
moments = st.none() | st.datetimes(datetime(2026, 11, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
tasks = st.builds(
    ProviderTask,
    task_id=st.sampled_from([None, "vid_1", "vid_9"]),
    status=st.sampled_from(STATUSES),
    progress=st.integers(0, 100),
    model=st.sampled_from([None, "m", "n"]),
    created_at=moments,
    completed_at=moments,
    video_url=st.sampled_from([None, "https://a.b/1", "https://a.b/2"]),
    error=st.sampled_from([None, "words"]),
    cost=amounts,
)
verdicts = st.builds(
    Verdict,
    evidence=st.sampled_from(["charged", "not charged", "cannot tell"]),
    amount=amounts,
    by=st.sampled_from(["balance", "person"]),
)
errors = st.sampled_from([OutcomeUnknown("lost", charged="maybe"), ProviderFailed("no")])


def observed(task: ProviderTask) -> Step:
    return lambda record: policy.observe(record, task, NOON)


def failed(error: OutcomeUnknown | ProviderFailed) -> Step:
    return lambda record: policy.fail(record, error, NOON)


def settled(verdict: Verdict) -> Step:
    return lambda record: policy.settle(record, verdict)


def seen_after(seconds: float) -> Step:
    return lambda record: policy.as_of(record, NOON + timedelta(seconds=seconds))


def sent(used: Decimal | None) -> Step:
    return lambda record: policy.mark_sending(record, used, NOON) if record.state == "reserved" else record


def saved(record: Record) -> Record:
    return policy.save(record, Saved("/a.mp4", 1, "0"))


steps: st.SearchStrategy[Step] = st.one_of(
    tasks.map(observed),
    errors.map(failed),
    verdicts.map(settled),
    amounts.map(sent),
    st.floats(0, 400).map(seen_after),
    st.just(saved),
)
beginnings = st.sampled_from([NEW, UNPRICED, ADOPTED])


def history(record: Record, changes: list[Step]) -> list[Record]:
    """Every state that a record goes through."""
    found = [record]
    for change in changes:
        found.append(change(found[-1]))
    return found


@given(beginnings, st.lists(steps, max_size=8))
def test_what_is_known_is_never_forgotten_and_what_is_final_never_moves(record: Record, changes: list[Step]) -> None:
    for before, after in pairwise(history(record, changes)):
        assert after.progress >= before.progress
        revived = before.state in policy.CAME_TO_NOTHING and after.state == "completed" and after.video_url is not None
        is_late_answer = revived or (before.task_id is None and after.task_id is not None)
        if before.state in FINAL and not is_late_answer:
            assert after.state == before.state
        for name in ("request_id", "principal", "fingerprint", "created_at", "estimate", "prompt"):
            assert getattr(after, name) == getattr(before, name)
        for name in ("task_id", "model", *([] if is_late_answer else ["completed_at"])):
            assert getattr(before, name) in {None, getattr(after, name)}
        for name in ("video_url", "saved", *([] if is_late_answer else ["cost", "settled", "error", "evidence"])):
            assert getattr(before, name) is None or getattr(after, name) is not None


@given(beginnings, st.lists(steps, max_size=8))
def test_money_that_may_have_gone_always_counts(record: Record, changes: list[Step]) -> None:
    for each in history(record, changes):
        spent, reserved = policy.spent(each), policy.reserved(each)
        assert 0 <= reserved <= spent
        assert {spent, reserved} == {exact(spent), exact(reserved)}
        if record is ADOPTED:
            assert spent == 0
        if each.settled is None:
            assert reserved == spent == (each.estimate or 0)
        elif each.settled_by == "provider":
            assert spent == (0 if each.cost is None else exact(each.cost))


def test_a_record_begins_with_what_is_asked_for_or_with_a_task_that_costs_nothing() -> None:
    first = Record("req_1", "", "x", "reserved", NOON, None, "m", "a fox", 5, estimate=Decimal("2.5"), awaited_at=NOON)
    assert first == NEW
    assert (first.status, first.sending) == ("queued", True)
    assert Record("req_2", "", None, "queued", NOON, "vid_2", settled=Decimal(0)) == ADOPTED


def test_a_report_is_taken_in_whole_and_one_that_says_less_takes_nothing_away() -> None:
    late = policy.as_of(NEW, NOON + timedelta(seconds=181))
    made, ended = NOON - timedelta(hours=3), NOON - timedelta(hours=2)
    url, saved_as = "https://a.b/1", Saved("/a.mp4", 1, "0")
    report = ProviderTask("vid_1", "completed", 100, "n", made, ended, url, "words", Decimal("2.4"))
    known = policy.save(policy.observe(late, report, NOON), saved_as)
    assert known == Record(
        *("req_1", "", "x", "completed", NOON, "vid_1", "m", "a fox", 5, False, 100),
        *(Decimal("2.5"), Decimal("2.4"), Decimal("2.4"), "provider", None, None),
        *(NOON + timedelta(hours=1), url, saved_as, "words", None, None, NOON),
    )
    assert policy.observe(known, ProviderTask(None, "queued"), NOON) == known
    renewed = policy.observe(known, ProviderTask(None, "completed", video_url="https://a.b/2", error="more"), NOON)
    assert renewed == known._replace(video_url="https://a.b/2", error="more")
    assert policy.observe(ADOPTED, report, NOON).model == "n"


@pytest.mark.parametrize("status", STATUSES)
def test_a_task_of_which_no_time_is_told_ended_when_that_was_heard(status: Status) -> None:
    heard = NOON + timedelta(seconds=5)
    after = policy.observe(NEW, ProviderTask("vid_1", status), heard)
    assert after.completed_at == (heard if status in {"completed", "failed", "cancelled"} else None)


@given(tasks)
def test_the_provider_is_believed_before_the_estimate_and_the_estimate_before_nothing(task: ProviderTask) -> None:
    for record in (NEW, UNPRICED):
        after = policy.observe(record, task, NOON)
        told = (exact(task.cost), "provider") if task.cost or (task.cost == 0 and task.status in FINAL) else None
        guessed = (Decimal("2.5"), "estimate") if record.estimate and task.status in FINAL else (None, None)
        if task.status == "unknown" and task.task_id:
            guessed = exact(record.estimate or Decimal(0)), "estimate"
        free = (Decimal(0), "estimate") if task.status in {"failed", "cancelled"} else None
        assert (after.settled, after.settled_by) == (told or free or guessed)


def test_a_reservation_ends_with_the_end_and_never_with_a_cost_of_nothing() -> None:
    made = policy.observe(NEW, ProviderTask("vid_1", "queued", cost=Decimal(0)), NOON)
    assert (made.cost, made.settled, policy.reserved(made)) == (None, None, Decimal("2.5"))
    for cost, counts in ((Decimal(0), 0), (Decimal(9), 9), (None, Decimal("2.5"))):
        assert policy.spent(policy.observe(made, ProviderTask("vid_1", "completed", cost=cost), NOON)) == counts
    dear = policy.observe(made, ProviderTask("vid_1", "processing", cost=Decimal(50)), NOON)
    assert (policy.spent(dear), policy.reserved(dear)) == (50, 0)
    assert policy.spent(policy.observe(dear, ProviderTask("vid_1", "processing", cost=Decimal(0)), NOON)) == 50


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_failed_task_without_a_cost_counts_nothing(status: Status) -> None:
    made = policy.observe(NEW, ProviderTask("vid_1", "queued"), NOON)
    failed = policy.observe(made, ProviderTask("vid_1", status), NOON)
    assert (policy.spent(failed), failed.settled_by) == (0, "estimate")


@pytest.mark.parametrize(("at_the_end", "spent"), [(None, "2.5"), ("0", "2.5"), ("2.4", "2.4")])
def test_a_video_that_is_there_after_all_was_not_free(at_the_end: str | None, spent: str) -> None:
    cost = None if at_the_end is None else Decimal(at_the_end)
    failed = policy.observe(NEW, ProviderTask("vid_1", "failed", error="why", cost=cost), NOON)
    assert policy.observe(failed, ProviderTask("vid_1", "completed"), NOON).state == "failed"
    assert policy.observe(failed, ProviderTask("vid_1", "processing", video_url="https://a.b/1"), NOON).state == "failed"
    later = NOON + timedelta(hours=1)
    revived = policy.observe(failed, ProviderTask("vid_1", "completed", 100, video_url="https://a.b/1"), later)
    assert (revived.state, revived.error, revived.completed_at) == ("completed", None, later)
    assert policy.spent(revived) == Decimal(spent)


def test_a_late_answer_with_a_task_wins_over_a_judgement() -> None:
    free = policy.settle(LOST, Verdict("not charged", Decimal(0), "balance"))
    paid = policy.settle(LOST, Verdict("charged", Decimal("2.4"), "balance"))
    for judged, spent in ((free, "2.5"), (paid, "2.4"), (LOST, "2.5")):
        late = policy.observe(judged, ProviderTask("vid_1", "queued"), NOON)
        assert (late.state, late.task_id, policy.spent(late)) == ("queued", "vid_1", Decimal(spent))
        assert (late.evidence, late.error, late.error_code) == (None, None, None)
    assert policy.observe(free, ProviderTask(None, "queued"), NOON).state == "failed"


@pytest.mark.parametrize(
    ("error", "state", "settled_by", "spent"),
    [(OutcomeUnknown("lost", charged="maybe"), "unknown", None, "2.5"), (ProviderFailed("no"), "failed", "provider", "0")],
)
def test_a_request_without_a_task_failed_for_free_or_is_of_unknown_outcome(
    error: OutcomeUnknown | ProviderFailed, state: State, settled_by: str | None, spent: str
) -> None:
    after = policy.fail(policy.as_of(NEW, NOON + timedelta(seconds=181)), error, NOON)
    assert (after.state, after.settled_by, policy.spent(after)) == (state, settled_by, Decimal(spent))
    assert (after.error, after.error_code, after.overdue) == (error.message, error.code, False)
    assert after.completed_at == (NOON if state == "failed" else None)
    assert policy.is_of_unknown_outcome(after) is (state == "unknown")
    assert policy.fail(after, ProviderFailed("again"), NOON) == after


@pytest.mark.parametrize(
    ("age_seconds", "status", "sending", "unknown"),
    [(0, "queued", True, False), (180, "queued", True, False), (180.1, "unknown", False, True)],
)
def test_a_request_that_is_sent_for_too_long_is_of_unknown_outcome(
    age_seconds: float, status: Status, *, sending: bool, unknown: bool
) -> None:
    sent = policy.mark_sending(NEW, None, NOON)
    seen = policy.as_of(sent, NOON + timedelta(seconds=age_seconds))
    assert (seen.status, seen.sending, policy.is_of_unknown_outcome(seen)) == (status, sending, unknown)


@pytest.mark.parametrize(
    ("state", "duplicate"), [(state, state not in {"failed", "cancelled"}) for state in ("reserved", "sending", *STATUSES)]
)
def test_a_duplicate_is_what_was_asked_for_in_the_window_and_did_not_come_to_nothing(state: State, *, duplicate: bool) -> None:
    earlier = NEW._replace(state=state)
    assert policy.is_duplicated_by(earlier, NOON - timedelta(seconds=1)) is duplicate
    assert policy.is_duplicated_by(earlier, NOON) is (state in {"reserved", "sending", "unknown"})
    assert policy.is_duplicated_by(policy.as_of(earlier._replace(state="sending"), NOON + timedelta(days=1)), NOON)
    assert policy.is_duplicated_by(earlier._replace(settled=Decimal(1)), NOON) is (state in {"reserved", "sending"})


def test_what_never_left_is_released_and_may_not_leave_any_more() -> None:
    late = NOON + timedelta(seconds=181)
    seen = policy.as_of(NEW, late)
    assert (seen.status, seen.sending, policy.is_of_unknown_outcome(seen)) == ("failed", False, False)
    assert not policy.is_duplicated_by(seen, NOON - timedelta(seconds=1))
    released = policy.release(seen, late)
    assert (released.state, policy.spent(released)) == ("failed", 0)
    with pytest.raises(ProviderUnreachable, match="nothing was sent"):
        policy.mark_sending(released, None, late)


PUBLIC: dict[tuple[State, bool], Status] = {
    ("reserved", False): "queued",
    ("reserved", True): "failed",
    ("sending", False): "queued",
    ("sending", True): "unknown",
    **{(status, overdue): status for status in STATUSES for overdue in (False, True)},
}
"""What the ledger keeps, and whether nobody awaits it any more: what is told of it."""


def test_what_is_being_sent_is_queued_and_what_was_interrupted_failed_or_is_unknown() -> None:
    for (state, overdue), status in PUBLIC.items():
        record = NEW._replace(state=state, overdue=overdue)
        assert record.status == status
        assert record.sending is ((state, overdue) in {("reserved", False), ("sending", False)})
        assert record.news == (None, status, 0, None, None)


def test_a_request_that_is_awaited_is_never_overdue() -> None:
    sent = policy.keep_awaiting(policy.mark_sending(NEW, None, NOON), NOON + timedelta(days=1))
    assert policy.as_of(sent, NOON + timedelta(days=1, seconds=180)).sending
    assert policy.keep_awaiting(LOST, NOON) == LOST


QUIET = Movements(
    unanswered=False,
    failed=False,
    unclear=False,
    charged=Decimal(0),
    returnable=Decimal(0),
    hidden=False,
    charges_before_end=True,
)
AT_END = QUIET._replace(charges_before_end=False)
LATER = NOON + timedelta(seconds=120)
A_WEEK_LATER = NOON + timedelta(days=7)


@pytest.mark.parametrize(
    ("used", "others", "now", "only_one", "evidence", "amount"),
    [
        ("12.5", QUIET, NOON, True, "charged", "2.5"),
        ("12.5", QUIET, NOON, False, "cannot tell", None),
        ("12.4", QUIET, LATER, True, "charged", "2.4"),
        ("9", QUIET, LATER, True, "cannot tell", None),
        ("12.5", QUIET._replace(unclear=True), LATER, True, "cannot tell", None),
        ("10", QUIET._replace(unclear=True, charged=Decimal(1)), LATER, True, "not charged", "0"),
        ("10", QUIET, LATER, False, "not charged", "0"),
        ("10", QUIET, LATER - timedelta(seconds=1), True, "cannot tell", None),
        ("11", QUIET._replace(charged=Decimal(1)), LATER, True, "not charged", "0"),
        ("10", AT_END, LATER, True, "cannot tell", None),
        ("10", AT_END, A_WEEK_LATER - timedelta(seconds=1), True, "cannot tell", None),
        ("10", AT_END, A_WEEK_LATER, True, "not charged", "0"),
        ("12.5", AT_END, LATER, True, "charged", "2.5"),
        ("13.5", QUIET._replace(charged=Decimal(1)), NOON, True, "charged", "2.5"),
        ("10", QUIET._replace(unanswered=True), LATER, True, "cannot tell", None),
        ("10", QUIET._replace(failed=True), LATER, True, "cannot tell", None),
        ("12.5", QUIET._replace(failed=True), LATER, True, "cannot tell", None),
    ],
)
def test_the_balance_says_what_became_of_a_lost_answer(
    used: str, others: Movements, now: datetime, evidence: Evidence, amount: str | None, *, only_one: bool
) -> None:
    sent = LOST._replace(used_before=Decimal(10))
    verdict = policy.judge(sent, Decimal(used), others, now, only_one=only_one)
    assert verdict == (Verdict("cannot tell") if amount is None else Verdict(evidence, Decimal(amount), "balance"))


def test_without_a_balance_before_nothing_is_proven_by_a_movement_and_no_price_is_needed() -> None:
    unpriced = LOST._replace(used_before=Decimal(0), estimate=None)
    assert policy.judge(LOST, Decimal("2.5"), QUIET, LATER, only_one=True).evidence == "cannot tell"
    assert policy.judge(unpriced, Decimal("2.5"), QUIET, LATER, only_one=True).amount == Decimal("2.5")


@pytest.mark.parametrize(("estimate", "evidence"), [("0", "cannot tell"), ("0.25", "charged")])
def test_a_charge_is_proven_by_a_movement_of_any_size_but_none(estimate: str, evidence: Evidence) -> None:
    sent = LOST._replace(used_before=Decimal(0), estimate=Decimal(estimate))
    assert policy.judge(sent, Decimal(estimate), QUIET, NOON, only_one=True).evidence == evidence


def test_what_was_not_charged_is_free_again_and_what_was_stays_unknown() -> None:
    lost = policy.mark_sending(NEW, None, NOON)._replace(overdue=True)
    free = policy.settle(lost, Verdict("not charged", Decimal(0), "balance"))
    paid = policy.settle(LOST, Verdict("charged", Decimal("2.5"), "balance"))
    open_ = policy.settle(LOST, Verdict("cannot tell"))
    settled = {"state": "failed", "settled": Decimal(0), "settled_by": "balance", "evidence": "not charged"}
    assert free == lost._replace(overdue=False, **settled)
    assert (paid.state, policy.spent(paid), policy.reserved(paid)) == ("unknown", Decimal("2.5"), 0)
    assert (open_.state, open_.evidence, policy.reserved(open_)) == ("unknown", "cannot tell", Decimal("2.5"))


def test_a_verdict_settles_what_is_open_and_a_person_corrects_it() -> None:
    by_balance, by_person = Verdict("not charged", Decimal(0), "balance"), Verdict("not charged", Decimal(0), "person")
    paid = policy.settle(LOST, Verdict("charged", Decimal("2.5"), "balance"))
    answered = policy.observe(LOST, ProviderTask("vid_1", "queued"), NOON)
    assert policy.settle(paid, by_balance) == paid
    assert policy.settle(paid, by_person).settled == 0
    assert policy.settle(answered, by_person) == answered


def test_forecasts_learn_from_the_same_duration_where_there_is_one() -> None:
    finished = [Took(60, 5), Took(90, 10), Took(70, 5), Took(99, None)]
    assert policy.alike(finished, 5) == [60, 70]
    assert policy.alike(finished, 8) == [60, 90, 70, 99]
    assert policy.alike(finished, None) == [99]
    assert policy.alike([], 5) == []


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        (None, "it is not one of ours"),
        (Token("x", "2.5", NOON, used=True), "it was used already"),
        (Token("x", "2.5", NOON - timedelta(seconds=1), used=False), "it has expired"),
        (Token("y", "2.5", NOON, used=False), "it was given for another request, take or price"),
        (Token("x", "None", NOON, used=False), "it was given for another request, take or price"),
        (Token("x", "2.5 take 1", NOON, used=False), "it was given for another request, take or price"),
        (Token("x", "2.5", NOON, used=False), None),
    ],
)
def test_a_token_is_good_for_one_request_at_one_price_once_and_for_a_time(token: Token | None, fault: str | None) -> None:
    assert policy.token_fault(token, "x", policy.terms_of(Decimal("2.5"), None), NOON) == fault


def test_a_token_is_good_for_ten_minutes() -> None:
    assert policy.TOKEN_SECONDS == 600


@pytest.mark.parametrize(("state", "counts"), [(state, state != "failed") for state in STATUSES])
def test_failed_requests_are_left_out_where_estimates_are_compared_with_charges(state: State, *, counts: bool) -> None:
    assert sums.counts_as_video(state) is counts


def test_spending_adds_up_by_model() -> None:
    parts = [ModelSpending("n", 1, Decimal(1), Decimal(2)), ModelSpending("m", 1, Decimal(3), Decimal(4))]
    assert sums.add_up([*parts, ModelSpending("n", 2, Decimal(5), Decimal(6))]) == [
        ModelSpending("m", 1, Decimal(3), Decimal(4)),
        ModelSpending("n", 3, Decimal(6), Decimal(8)),
    ]


def test_totals_add_up_field_by_field() -> None:
    one = Totals(1, Decimal(2), Decimal(3), Decimal(4), 5, 6)
    assert one + Totals(10, Decimal(20), Decimal(30), Decimal(40), 50, 60) == Totals(
        11, Decimal(22), Decimal(33), Decimal(44), 55, 66
    )
    assert one + Totals() == one
