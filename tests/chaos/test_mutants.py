"""The checker catches each planted bug, and finds nothing in the product under the same faults.

If a mutant survives, the checker or the schedule is too weak.
"""

import pytest
from chaos.mutants import MUTANTS

from local.chaos.evidence import Planted

pytestmark = [pytest.mark.process, pytest.mark.chaos]

# Fault schedules. They count requests, so that a mutant meets its fault in every run. Mutants that
# the same fault reveals share a schedule.


def an_event_delivered_twice(rig):
    rig.spoil("sns.*", "duplicate", count=2)
    rig.place("success", "success")
    rig.run("analytics")
    rig.drain()


def a_crash_before_the_commit(rig):
    rig.place("success", "success")
    rig.run("analytics", crash="handled@1")
    rig.drain()


def a_conflict(rig):
    rig.place("success", "success")
    rig.spoil("dynamodb.TransactWriteItems", "conflict", count=1)
    rig.run("payment")
    rig.drain()


def nothing_but_an_order(rig):
    rig.place("success")
    rig.run("payment")
    rig.drain()


def a_handler_slower_than_the_visibility_timeout(rig):
    rig.place("success")
    # Twice the visibility timeout, each time. One handler at a time: otherwise this worker would
    # receive the message again, and that would count as a renewal.
    rig.spoil("dynamodb.UpdateItem", "delay", seconds=4)
    rig.run("payment", CONCURRENCY="1")
    rig.drain(hopeless=lambda: rig.logged("lease.lost") >= 3)


def a_failure_among_successes(rig):
    rig.place("success", "technical", "success")
    rig.planted.append(Planted("payment", "transient", "payment is broken", number=2))
    rig.run("payment")
    rig.drain()


def a_batch_accepted_in_part(rig):
    rig.place("success", "success", "success")
    rig.spoil("sns.PublishBatch", "partial", count=2)
    rig.run("payment")
    rig.drain()


def a_topic_that_is_down(rig):
    rig.place("success", "success", published=False)
    rig.spoil("sns.PublishBatch", "error", count=6)
    rig.run("relay")
    rig.drain()


def an_order_that_ends_its_worker(rig):
    rig.place("success", "success", "success")
    rig.planted.append(Planted("payment", "", "earlier deliveries ended the worker", number=2))
    rig.run("payment", CHAOS_ABORT=rig.planned[2].email)
    # The product needs four: one without a record, and three on record.
    rig.drain(hopeless=lambda: rig.deaths >= 6)


# The bug, the services it needs, the schedule that reveals it, and the invariants of which at
# least one must break.
CAUGHT = {
    "no_inbox_condition": (["analytics"], an_event_delivered_twice, {"I9"}),
    "delete_before_commit": (["analytics"], a_crash_before_the_commit, {"I9"}),
    "publish_before_commit": (["payment"], a_conflict, {"I7", "I8"}),
    "random_outcome_ids": (["payment"], nothing_but_an_order, {"I8"}),
    "swallowed_conflict": (["payment"], a_conflict, {"I7", "I9"}),
    "no_renewal": (["payment"], a_handler_slower_than_the_visibility_timeout, {"I9", "I6"}),
    "whole_batch_acknowledged": (["payment"], a_failure_among_successes, {"I13"}),
    "partial_publish_ignored": (["payment"], a_batch_accepted_in_part, {"I7"}),
    "marked_before_published": (["relay"], a_topic_that_is_down, {"I7"}),
    "attempts_not_recorded": (["payment"], an_order_that_ends_its_worker, {"I13"}),
}
MOMENTS = {moment: services for services, moment, _ in CAUGHT.values()}


@pytest.mark.parametrize("mutant", CAUGHT)
def test_the_checker_catches(rig, mutant):
    services, moment, invariants = CAUGHT[mutant]
    stage = rig(services, mutant)
    moment(stage)
    violations = stage.violations()
    assert [v for v in violations if v.invariant == "I12"] == [], "the mutant itself does not run"
    broken = {violation.invariant for violation in violations}
    assert broken & invariants, f"{mutant} survived, broken: {broken or 'nothing'}"


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_the_product_survives(rig, moment):
    stage = rig(MOMENTS[moment], "honest")
    moment(stage)
    assert stage.violations() == []


def test_every_mutant_has_a_schedule():
    assert {mutant.__name__ for mutant in MUTANTS} - {"honest"} == set(CAUGHT)
