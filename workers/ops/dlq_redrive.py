"""Redrives a selection of dead letters: a canary first, at a rate, resumable after a kill.

The set is frozen when the run starts: a message that gets into the queue later stays. Each batch is
sent on and only then deleted, so no message is ever in neither queue. ``Operation`` keeps what a
later run needs in order to go on.

The dead letters of a group of a FIFO queue are sent in their order: batch after batch, and nothing
after a message that was refused, or may have been sent by an interrupted run.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Final

from workers.aws.dead_letters import HIDE_SECONDS, Peeked, Taken, oldest_first, take
from workers.aws.holding import Hold
from workers.aws.moving import batches, delete, send
from workers.limits import MAX_BATCH
from workers.ops import dlq_doubts
from workers.ops.dlq_outcomes import PATIENCE, Outcomes
from workers.ops.dlq_place import Place, interpreted
from workers.ops.dlq_rows import NOTHING
from workers.ops.dlq_select import Selection, select
from workers.ops.operations import Operation
from workers.topology import is_fifo

MOVERS: Final = 8  # threads
WINDOW: Final = 100  # messages whose outcome is awaited at once, with ``stop_on_failure``
_SETTLE: Final = 5.0  # s more than ``HIDE_SECONDS``, for the messages of a killed run
_LOOK: Final = 1.0  # s between two looks at outcomes while messages move
_SAVE: Final = 2.0  # s between two records of the progress

Progress = Callable[[str, int, int], None]  # stage, messages moved, messages to move


@dataclass(frozen=True)
class Pace:
    """How carefully to move."""

    rate: float | None = None  # messages per second
    canary: int = 0  # messages whose outcome decides about the others
    stop_on_failure: int = 0  # failed messages that stop the redrive; 0: never

    def __str__(self) -> str:
        """Write the pace as options of the command line."""
        options = {
            "rate": self.rate,
            "canary": self.canary,
            "stop-on-failure": self.stop_on_failure,
        }
        return " ".join(f"--{name} {value:g}" for name, value in options.items() if value) or "none"

    @property
    def none(self) -> bool:
        """Whether nothing was asked for."""
        return self.rate is None and not self.canary and not self.stop_on_failure


@dataclass
class Moved:
    """What a redrive did."""

    selected: int = 0  # by this run
    moved: int = 0  # by this run
    before: int = 0  # at least, by the runs that this one resumes
    handled: int = 0  # known only if a canary or ``stop_on_failure`` was asked for
    failed: int = 0
    undecided: int = 0
    doubtful: int = 0  # left: an interrupted run may have sent them, and they cannot be read
    unread: int = 0  # there, but not read
    resumed: str = ""  # who started the interrupted run, and when
    stopped: str = ""  # why not everything was moved


def redrive(
    place: Place,
    selection: Selection,
    pace: Pace,
    operation: Operation,
    *,
    progress: Progress = lambda _stage, _moved, _total: None,
    patience: float = PATIENCE,
    result: Moved | None = None,
) -> Moved:
    """Move the selected dead letters back to the service's queue.

    ``result`` is that of a run that failed, to go on counting.

    Raises ``SelectionError``, ``RedriveError``, ``TakenOverError`` and what ``runtime.ports``
    names. After an error the same command goes on where this one ended.
    """
    taken = take(place.sqs, place.source)
    with Hold.of(place.sqs, place.source, taken.messages) as hold:
        run = _Run(place, selection, pace, operation, hold, progress, patience)
        run.result = result or run.result
        return run.run(taken)


@dataclass
class _Run:
    place: Place
    selection: Selection
    pace: Pace
    operation: Operation
    hold: Hold
    progress: Progress
    patience: float
    result: Moved = field(default_factory=Moved)
    keys: dict[str, str] = field(default_factory=dict)  # message id -> event key
    slots: SimpleQueue[int] = field(default_factory=SimpleQueue)
    lock: Lock = field(default_factory=Lock)
    saved: float = 0.0
    looked: float = 0.0

    @property
    def ordered(self) -> bool:
        """Whether the messages of a group have to be sent in their order."""
        return is_fifo(self.place.destination)

    def run(self, taken: Taken) -> Moved:
        earlier = self.operation.earlier
        same = earlier is not None and earlier.progress.get("selection") == self.selection.digest
        if earlier is not None:
            self.result.resumed = f"{earlier.by.rpartition(':')[2]} at {earlier.at[:19]}"
            taken = self._wait_for_hidden(taken)
        doubts = dlq_doubts.Doubts(earlier.intents if earlier else ())
        self.result.unread = taken.unread
        chosen, line = self._freeze(taken, doubts, resumed=same)
        for slot in range(MOVERS):
            self.slots.put(slot)
        self.result.selected = self.result.moved + len(chosen)
        self.result.moved += doubts.finish_sent(self.place, taken.messages, self.hold)
        self._save(line)
        outcomes = Outcomes(self.place.dynamodb, self.place.table, self.place.scope)
        if self.ordered:
            left = self._settle(doubts)  # first: what comes after a message must not overtake it
            chosen = [message for message in chosen if message.lane not in left]
        rest = self._canary(chosen, outcomes, passed=same and self._before("canary") > 0)
        if not self.result.stopped:
            self._move_all(rest, outcomes)
        if not self.ordered:
            self._settle(doubts)  # last: the service had time to handle what was sent
        self._await_last(outcomes)
        self._save(line)
        return self.result

    def _freeze(
        self, taken: Taken, doubts: "dlq_doubts.Doubts", *, resumed: bool
    ) -> tuple[list[Peeked], float]:
        """Choose the messages; let the others go. Returns the line after which none is chosen."""
        line = max((message.sent_at for message in taken.messages), default=0.0)
        if resumed:
            line = self._before("line") / 1000
            self.result.before = self._before("moved")
        read = interpreted(self.place, taken)
        meant = [letter for letter in read.letters if letter.sent_at <= line]
        found = (
            select(self.selection, meant, read.known, lenient=True)
            if resumed
            else read.choose(self.selection)
        )
        # A canary that was handled before would prove nothing.
        found.sort(key=lambda letter: read.known.get(letter.key, NOTHING).processed)
        self.keys = {letter.id: letter.key for letter in read.letters}
        messages = {message.id: message for message in taken.messages}
        chosen = [messages[m.id] for m in found if m.id not in doubts.ids]
        kept = {message.id for message in chosen} | doubts.ids
        self.hold.let_go([message for message in taken.messages if message.id not in kept])
        return chosen, line

    def _before(self, name: str) -> int:
        earlier = self.operation.earlier
        found = earlier.progress.get(name, 0) if earlier else 0
        return found if isinstance(found, int) else 0

    def _canary(
        self, chosen: Sequence[Peeked], outcomes: Outcomes, *, passed: bool
    ) -> Sequence[Peeked]:
        """Move the canary and wait for its outcome; return the rest."""
        if passed:
            self.operation.save(canary=self.pace.canary)  # for the run that resumes this one
        if not self.pace.canary or passed or not chosen or self.result.stopped:
            return chosen
        canary, rest = chosen[: self.pace.canary], chosen[self.pace.canary :]
        watched = Outcomes(outcomes.dynamodb, outcomes.table, outcomes.scope)
        for batch in batches(canary):
            watched.watch(self._copies(self._move(batch)))
            if self.result.stopped:
                break
        self.progress("canary", self.result.moved, self.result.selected)
        watched.wait(
            until=lambda: bool(watched.failed) or not watched.pending, patience=self.patience
        )
        self._count(watched)
        if watched.failed:
            self.result.stopped = f"the canary failed ({len(watched.failed)} of {len(canary)})"
        elif watched.pending:
            self.result.stopped = (
                f"the canary has no outcome after {self.patience:.0f} s ({len(watched.pending)} of "
                f"{len(canary)}): is the service running, and not paused?"
            )
        elif not self.result.stopped:
            self.operation.save(canary=len(canary))
            self._save()
        return rest

    def _move_all(self, messages: Sequence[Peeked], outcomes: Outcomes) -> None:
        """Move messages at the rate asked for, in several threads; in one if order matters."""
        movers = 1 if self.ordered else MOVERS
        rate, due = self.pace.rate, time.monotonic()
        most = MAX_BATCH if rate is None else max(1, min(MAX_BATCH, int(rate)))
        running: set[Future[Mapping[str, str]]] = set()
        with ThreadPoolExecutor(movers, thread_name_prefix="move") as pool:
            for batch in batches(messages, most):
                if rate is not None:
                    time.sleep(max(0.0, due - time.monotonic()))
                    due = max(due, time.monotonic() - 1.0) + len(batch) / rate
                running = self._reap(running, outcomes, wait=len(running) == movers)
                if self.pace.stop_on_failure:
                    while running and len(outcomes.pending) + MAX_BATCH * len(running) >= WINDOW:
                        running = self._reap(running, outcomes)
                    self._hold_back(outcomes)
                if self.result.stopped:
                    break
                running.add(pool.submit(self._move, batch))
            while running:
                running = self._reap(running, outcomes)

    def _reap(
        self, running: set[Future[Mapping[str, str]]], outcomes: Outcomes, *, wait: bool = True
    ) -> set[Future[Mapping[str, str]]]:
        """Collect the batches that ended; with ``wait``, one at least. Returns the others."""
        done, left = wait_for(running, None if wait else 0, return_when=FIRST_COMPLETED)
        for future in done:
            copies = future.result()
            if self.pace.stop_on_failure:
                outcomes.watch(self._copies(copies))
        self.progress("moving", self.result.moved, self.result.selected)
        if time.monotonic() - self.saved > _SAVE:
            self._save()
        return left

    def _hold_back(self, outcomes: Outcomes) -> None:
        """Wait while too many outcomes are unknown; stop after too many failures."""
        most = self.pace.stop_on_failure
        if time.monotonic() - self.looked > _LOOK:
            outcomes.look()
            self.looked = time.monotonic()
        if len(outcomes.pending) >= WINDOW:
            outcomes.wait(
                until=lambda: len(outcomes.failed) >= most or len(outcomes.pending) < WINDOW,
                patience=self.patience,
            )
        if len(outcomes.failed) >= most:
            self.result.stopped = f"{len(outcomes.failed)} messages failed again"
        elif len(outcomes.pending) >= WINDOW:
            self.result.stopped = f"no outcome for {self.patience:.0f} s: is the service running?"

    def _await_last(self, outcomes: Outcomes) -> None:
        if outcomes.pending and not self.result.stopped:
            self.progress("waiting for outcomes", self.result.moved, self.result.selected)
            outcomes.wait(until=lambda: not outcomes.pending, patience=self.patience)
            if len(outcomes.failed) >= self.pace.stop_on_failure > 0:
                self.result.stopped = f"{len(outcomes.failed)} messages failed again"
        elif outcomes.pending:
            outcomes.look()
        self._count(outcomes)

    def _move(self, batch: Sequence[Peeked]) -> Mapping[str, str]:
        """Send a batch on and delete it; return the ids of the copies."""
        slot = self.slots.get_nowait()
        self.operation.intend(slot, [message.id for message in batch])
        copies, refused = send(self.place.sqs, self.place.destination, batch)
        self.operation.sent(slot, copies)
        gone = [message for message in batch if message.id in copies]
        delete(self.place.sqs, self.place.source, gone)
        # Not after an error: the next batch of the slot would replace the intent.
        self.slots.put(slot)
        self.hold.drop(gone)
        with self.lock:
            self.result.moved += len(gone)
        if refused:
            self.result.stopped = f"SQS refused to send: {', '.join(sorted(refused))}"
        return copies

    def _settle(self, doubts: "dlq_doubts.Doubts") -> frozenset[str]:
        """Decide about the messages that an interrupted run may have sent.

        Returns the lanes of those that are left.
        """
        if not doubts.ids:
            return frozenset()
        if self.result.stopped:
            self.operation.unfinished = True
            return frozenset()
        self.progress("settling what is in doubt", self.result.moved, self.result.selected)
        decided = doubts.decide(self.place, self.hold)
        self.result.moved += decided.sent
        for batch in batches(decided.again):
            if not self.result.stopped:
                self._move(batch)
        self.result.doubtful = len(decided.left)
        self.operation.settled(doubts.slots)
        return frozenset(message.lane for message in decided.left)

    def _wait_for_hidden(self, taken: Taken) -> Taken:
        """Take the messages too that the interrupted run still hides."""
        deadline = time.monotonic() + HIDE_SECONDS + _SETTLE
        found = {message.id: message for message in taken.messages}
        there = taken.there
        while len(found) < min(there, taken.limit) and time.monotonic() < deadline:
            self.progress("waiting for hidden messages", len(found), there)
            more = take(self.place.sqs, self.place.source, limit=taken.limit)
            self.hold.add(more.messages)
            found |= {message.id: message for message in more.messages}
        return Taken(tuple(oldest_first(found.values())), there, taken.limit)

    def _copies(self, copies: Mapping[str, str]) -> dict[str, str]:
        return {copy: self.keys[message_id] for message_id, copy in copies.items()}

    def _count(self, outcomes: Outcomes) -> None:
        self.result.handled += outcomes.handled
        self.result.failed += len(outcomes.failed)
        self.result.undecided += len(outcomes.pending)

    def _save(self, line: float | None = None) -> None:
        """Record the progress for the run that resumes this one."""
        self.saved = time.monotonic()
        moved = self.result.before + self.result.moved
        if line is None:
            self.operation.save(moved=moved)
        else:
            self.operation.save(
                moved=moved, line=round(line * 1000), selection=self.selection.digest
            )
