"""The states of a lease: every legal edge works, and every other one is refused."""

import re
from collections import deque
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from support.builders import a_message
from support.harness import VISIBILITY, Harness

import workers
from workers.runtime.lease import EDGES, RENEWED, UNSETTLED, IllegalTransition, Lease, State

OPTIONS = {"lose": ["expired"]}  # the further arguments of an act
PAIRS = [(act, state) for act in EDGES for state in State]
LEGAL = [(act, state) for act, state in PAIRS if state in EDGES[act]]
ILLEGAL = [(act, state) for act, state in PAIRS if state not in EDGES[act]]


def paths():
    """Find the shortest list of acts that leads to each state."""
    found = {State.WAITING: []}
    left = deque(found)
    while left:
        state = left.popleft()
        for act, edges in EDGES.items():
            after = edges.get(state)
            if after is not None and after not in found:
                found[after] = [*found[state], act]
                left.append(after)
    return found


PATHS = paths()


class Walk:
    """A lease that has been moved to a state."""

    def __init__(self, state):
        self.worker = Harness()
        self.leases = self.worker.leases
        self.lease = self.leases.grant(a_message())
        for act in PATHS[state]:
            self.take(act)
        assert self.lease.state is state

    def take(self, act):
        getattr(self.leases, act)(self.lease, *OPTIONS.get(act, []))


def name_of(value):
    return value.value if isinstance(value, State) else value


def test_every_state_can_be_reached():
    assert set(PATHS) == set(State)


def test_there_are_legal_and_illegal_pairs():
    assert len(LEGAL) > len(State)
    assert len(ILLEGAL) > len(State)


@pytest.mark.parametrize(("act", "state"), LEGAL, ids=name_of)
def test_every_edge_leads_to_its_state(act, state):
    walk = Walk(state)
    walk.take(act)
    assert walk.lease.state is EDGES[act][state]


@pytest.mark.parametrize(("act", "state"), ILLEGAL, ids=name_of)
def test_every_other_edge_is_refused_and_changes_nothing(act, state):
    walk = Walk(state)
    before = [getattr(walk.lease, field.name) for field in fields(Lease)]
    with pytest.raises(IllegalTransition, match=f"{act}: the lease is {state.value}"):
        walk.take(act)
    assert [getattr(walk.lease, field.name) for field in fields(Lease)] == before


@pytest.mark.parametrize("state", State, ids=name_of)
def test_handing_back_loses_what_has_no_settlement_and_nothing_else(state):
    walk = Walk(state)
    handed_back = walk.leases.hand_back()
    assert handed_back == ([walk.lease] if state in UNSETTLED else [])
    assert walk.lease.state is EDGES["lose"][state]


@pytest.mark.parametrize("state", State, ids=name_of)
def test_the_other_fields_agree_with_the_state(state):
    lease = Walk(state).lease
    assert (lease.lost is not None) == (state in {State.LOST, State.ABANDONED})
    assert (lease.started_at is not None) == (state in {State.RUNNING, State.ABANDONED})


@pytest.mark.parametrize("state", State, ids=name_of)
def test_a_running_handler_is_seen_even_if_its_lease_is_lost(state):
    walk = Walk(state)
    walk.worker.clock.advance(7)
    running = state in {State.RUNNING, State.ABANDONED}
    assert walk.leases.oldest_running() == (7 if running else 0)


@pytest.mark.parametrize("state", State, ids=name_of)
def test_a_lost_or_released_message_is_never_hidden_again(state):
    walk = Walk(state)
    walk.worker.clock.advance(VISIBILITY / 2 + 1)
    walk.leases.renew()
    assert (walk.worker.queue.calls["change_visibility"] == 1) == (state in RENEWED)


@pytest.mark.parametrize("field", [field.name for field in fields(Lease)])
def test_nobody_else_can_assign_to_a_lease(field):
    with pytest.raises(FrozenInstanceError):
        setattr(Walk(State.WAITING).lease, field, None)


def test_the_diagram_in_the_documents_shows_every_edge():
    text = (Path(workers.__file__).parents[1] / "ARCHITECTURE.md").read_text()
    drawn = re.findall(r"^ *(\w+) --> (\w+): (\w+)$", text, re.MULTILINE)
    states = {state.value for state in State}
    assert {edge for edge in drawn if edge[0] in states} == {
        (before.value, after.value, act)
        for act, edges in EDGES.items()
        for before, after in edges.items()
        if before is not after
    }
