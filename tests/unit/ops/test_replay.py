"""Choices of a replay: what it sends, what it leaves out, and when it stops."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from support.builders import NOON, a_payment, an_envelope, an_order, encoded
from support.fakes import FakePayloads
from support.fakes.clock import FakeClock

from workers.aws.archive import File
from workers.ops import replay as module
from workers.ops.archive import ALWAYS, Archived, Position, Selection, Unreadable, read
from workers.ops.replay import CANARY_PATIENCE, MEMORY, CanaryFailed, Options, Replay, Tally
from workers.pointer import SIZE, Named, Pointer

NOW = NOON + timedelta(hours=1)


class Service:
    """A service that handles what is sent to it, unless it is broken."""

    def __init__(self, monkeypatch):
        self.inbox = set()
        self.sent = []
        self.broken = False
        monkeypatch.setattr(module, "handled", self._handled)

    def _handled(self, _dynamodb, _table, keys, *, scope):
        assert scope == ""
        return self.inbox & set(keys)

    def send(self, events):
        self.sent += [event.event_id for event in events]
        if not self.broken:
            self.inbox |= {f"{event.attributes['source']}#{event.event_id}" for event in events}


@pytest.fixture
def service(monkeypatch):
    return Service(monkeypatch)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def run(service, clock):
    """Replay events; return the tally. Keeps the positions that were saved."""

    def run(found, **options):
        tally = Tally()
        run.tally, run.saved = tally, []
        Replay(
            None,
            "payment",
            "",
            service,
            Options(**{"send": True} | options),
            save=lambda position, _tally: run.saved.append(position.number),
            now=lambda: NOW,
            clock=clock,
            sleep=clock.advance,
        ).run(found, tally)
        return tally

    return run


def archived(number, event=None, **changes):
    """Make the event at a position of the archive."""
    event = encoded(event or an_order(), event_id=f"event-{number}", **changes)
    return Archived(event, changes.get("occurred_at", NOON), Position("file", number))


def test_a_dry_run_sends_nothing_and_counts_by_type(run, service):
    tally = run([archived(1), archived(2), archived(3, a_payment())], send=False)
    assert service.sent == []
    assert tally.types == {"order.created": 2, "payment.completed": 1}


def test_a_copy_of_an_event_is_sent_once(run, service):
    tally = run([archived(1), archived(1), archived(2)])
    assert service.sent == ["event-1", "event-2"]
    assert (tally.read, tally.repeats) == (3, 1)


def test_what_the_service_has_handled_is_sent_only_on_request(run, service):
    service.inbox = {"order-api#event-1"}
    assert run([archived(1), archived(2)]).handled == 1
    assert service.sent == ["event-2"]
    run([archived(1)], again=True)
    assert service.sent == ["event-2", "event-1"]


@pytest.mark.parametrize(("age", "forgotten"), [(MEMORY, 0), (MEMORY + timedelta(seconds=1), 1)])
def test_an_event_is_forgotten_once_its_inbox_row_could_expire_before_it_is_handled(
    run, age, forgotten
):
    assert run([archived(1, occurred_at=NOW - age)]).forgotten == forgotten
    assert run([archived(2, occurred_at=NOW - age)], forgotten=True).forgotten == 0


@pytest.mark.parametrize(("age", "refused"), [(90, 0), (91, 1)])
def test_an_event_that_the_service_will_refuse_for_its_age_is_counted(run, age, refused):
    tally = run([archived(1, occurred_at=NOW - timedelta(days=age))], forgotten=True)
    assert (tally.too_old, tally.events) == (refused, 1)


def test_unreadable_lines_are_counted_and_the_first_are_named(run):
    bad = [Unreadable(Position("file", n), "no JSON") for n in range(1, 31)]
    tally = run([*bad, archived(31)])
    assert (tally.unreadable, tally.events, len(tally.problems)) == (30, 1, 10)
    assert tally.problems[0] == "file, event 1: no JSON"


def test_nothing_follows_canaries_that_are_not_handled(run, service, clock):
    service.broken = True
    began = clock()
    with pytest.raises(CanaryFailed, match=r"2 of 2 canaries were not handled .* event-1"):
        run([archived(n) for n in range(1, 500)], canary=2)
    assert service.sent == ["event-1", "event-2"]
    assert run.saved == []
    assert CANARY_PATIENCE <= clock() - began < CANARY_PATIENCE + 1


def test_everything_follows_canaries_that_are_handled(run, service):
    run([archived(n) for n in range(1, 251)], canary=120)
    assert service.sent == [f"event-{n}" for n in range(1, 251)]


def test_fewer_events_than_canaries_are_awaited_too(run, service):
    service.broken = True
    with pytest.raises(CanaryFailed, match="1 of 1"):
        run([archived(1)], canary=5)


def test_the_position_is_saved_once_all_events_before_it_are_sent(run, service):
    def fail_later(events):
        if len(service.sent) >= 200:
            raise ConnectionError
        Service.send(service, events)

    service.send = fail_later
    with pytest.raises(ConnectionError):
        run([archived(n) for n in range(1, 500)])
    assert run.saved == [100, 200]


def test_a_rate_spreads_the_events_over_time(run, clock):
    began = clock()
    run([archived(n) for n in range(1, 101)], rate=5)
    assert clock() - began == pytest.approx(20)


class Files:
    """An archive in memory: lines by day, type and name."""

    def __init__(self, files, payloads=None):
        self._files = files
        self.payloads = payloads

    def days(self):
        return sorted({day for day, _, _ in self._files})

    def files(self, day, event_type):
        for (at, kind, name), (_, written_at) in sorted(self._files.items()):
            if (at, kind) == (day, event_type):
                yield File(f"{at}/{kind}/{name}", 1, written_at)

    def lines(self, key):
        day, kind, name = key.split("/")
        yield from self._files[date.fromisoformat(day), kind, name][0]


def line(**changes):
    return encoded(**changes).body


def ids(found):
    return [each.event.event_id if isinstance(each, Archived) else "?" for each in found]


def test_a_range_finds_events_that_were_published_a_day_late():
    late = line(event_id="late", occurred_at=NOON)
    files = Files(
        {
            (NOON.date(), "order.created", "a"): ([late], NOON + timedelta(days=1)),
            (NOON.date(), "order.created", "b"): ([line(event_id="in-time")], NOON),
        }
    )
    around = (NOON - timedelta(minutes=1), NOON + timedelta(minutes=1))
    assert ids(read(files, Selection(frozenset({"order.created"}), *around))) == ["late", "in-time"]


def test_a_range_ends_before_its_end_and_begins_at_its_beginning():
    times = {"before": -1, "first": 0, "last": 59, "after": 60}
    lines = [
        line(event_id=name, occurred_at=NOON + timedelta(seconds=seconds))
        for name, seconds in times.items()
    ]
    files = Files({(NOON.date(), "order.created", "a"): (lines, NOW)})
    minute = Selection(frozenset({"order.created"}), NOON, NOON + timedelta(minutes=1))
    assert ids(read(files, minute)) == ["first", "last"]


def test_an_event_whose_time_has_another_offset_is_found_under_its_own_day():
    tokyo = datetime.fromisoformat("2026-01-03T01:00:00+09:00")  # 2 January, 16:00 UTC
    body = line(occurred_at=tokyo)
    assert '"2026-01-03T01:00:00+09:00"' in body
    files = Files({(date(2026, 1, 3), "order.created", "a"): ([body], tokyo)})
    hour = (datetime(2026, 1, 2, 15, 30, tzinfo=UTC), datetime(2026, 1, 2, 16, 30, tzinfo=UTC))
    assert ids(read(files, Selection(frozenset({"order.created"}), *hour))) == ["event-1"]


def test_files_written_before_the_range_are_not_read():
    files = Files({(NOON.date(), "order.created", "a"): (["?"], NOON - timedelta(hours=1))})
    assert ids(read(files, Selection(frozenset({"order.created"}), NOON, NOW))) == []


def test_reading_goes_on_after_a_position():
    lines = [line(event_id=str(n)) for n in range(4)]
    files = Files(
        {
            (NOON.date(), "order.created", "a"): (lines, NOW),
            (NOON.date(), "order.created", "b"): ([line(event_id="next")], NOW),
            # A dot sorts before the slash that ends a prefix.
            (NOON.date(), "order.created.v2", "c"): ([line(event_id="earlier-key")], NOW),
        }
    )
    everything = Selection(frozenset({"order.created", "order.created.v2"}), *ALWAYS)
    found = list(read(files, everything))
    for number, each in enumerate(found):
        assert list(read(files, everything, after=each.position)) == found[number + 1 :]


def test_an_unreadable_line_takes_no_other_with_it():
    lines = [line(event_id="1"), '{"broken": ', line(event_id="2"), "{}"]
    files = Files({(NOON.date(), "order.created", "a"): (lines, NOW)})
    assert ids(read(files, Selection(frozenset({"order.created"}), *ALWAYS))) == [
        "1",
        "?",
        "2",
        "?",
    ]


def test_an_order_is_found_by_its_id_and_not_by_a_text_that_contains_it():
    lines = [
        line(event=an_order(order_id="order-1"), event_id="it"),
        line(event=an_order(order_id="order-12"), event_id="another"),
        line(event=an_order(order_id="order-3"), event_id="order-1"),
    ]
    files = Files({(NOON.date(), "order.created", "a"): (lines, NOW)})
    selection = Selection(frozenset({"order.created"}), *ALWAYS, order_id="order-1")
    assert ids(read(files, selection)) == ["it"]
    assert ids(read(files, replace(selection, order_id="order-9"))) == []


# --- references to large events --------------------------------------------------------


def a_reference(payloads, event_id="event-1", **changes):
    envelope = an_envelope(event_id=event_id, **changes)
    raw = envelope.encode().encode()
    key = Named.of(envelope, raw).key
    payloads.put(key, raw)
    return Pointer(payloads.bucket, key).text, envelope


def found_in(payloads, *lines, **changes):
    files = {(NOON.date(), "order.created", "file"): (lines, NOON + timedelta(minutes=5))}
    selection = Selection(frozenset({"order.created"}), *ALWAYS, **changes)
    return list(read(Files(files, payloads), selection))


def test_a_replay_sends_a_reference_and_selects_by_the_event_behind_it():
    payloads = FakePayloads()
    reference, envelope = a_reference(payloads)

    [found] = found_in(payloads, reference, line(event_id="event-2"), order_id="order-1")[:1]

    assert found.event.body == reference
    assert found.event.attributes["eventType"] == "order.created"
    assert found.event.attributes[SIZE] == str(len(envelope.encode()))
    assert (found.key, found.occurred_at) == (envelope.key, NOON)
    assert found_in(payloads, reference, order_id="order-2") == []


@pytest.mark.parametrize(
    ("has_bucket", "problem"),
    [(True, "the object does not exist"), (False, "PAYLOAD_BUCKET is not set")],
)
def test_a_reference_that_leads_nowhere_is_reported_and_costs_no_other_event(has_bucket, problem):
    payloads = FakePayloads()
    reference, _ = a_reference(payloads)
    payloads.objects.clear()

    lines = ('{"half":', reference, line(event_id="event-2"))
    half, lost, other = found_in(payloads if has_bucket else None, *lines)

    assert isinstance(half, Unreadable)
    assert problem in lost.reason
    assert other.event.event_id == "event-2"
