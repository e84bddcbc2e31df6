"""Lines leave many at once, urgent ones at once, and a reader that has stopped stops nobody."""

import io
from threading import Event

from support.eventually import eventually

from workers.runtime.observability.log_writer import LogWriter


class Pipe(io.RawIOBase):
    """Nobody reads while ``blocked`` is set."""

    def __init__(self):
        self.writes = []
        self.open = Event()
        self.open.set()

    def write(self, data):
        self.open.wait(5)
        self.writes.append(bytes(data))
        return len(data)


def test_lines_that_come_together_are_written_together():
    pipe = Pipe()
    lines = LogWriter(pipe)

    for number in range(10):
        lines.info(b"%d" % number)
    lines.flush()

    assert b"".join(pipe.writes) == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    assert len(pipe.writes) <= 2


def test_a_warning_leaves_without_anybody_asking_and_in_order():
    pipe = Pipe()
    lines = LogWriter(pipe)

    lines.info(b"first")
    lines.warning(b"second")

    eventually(lambda: b"".join(pipe.writes) == b"first\nsecond\n")


def test_a_reader_that_stopped_does_not_stop_who_logs_and_learns_what_it_missed():
    pipe = Pipe()
    pipe.open.clear()
    lines = LogWriter(pipe, max_pending=3)

    lines.warning(b"taken")
    eventually(lambda: not lines.pending)  # the writer has it, and waits for the reader
    for number in range(5):
        lines.info(b"%d" % number)
    lines.flush(timeout=0.01)
    pipe.open.set()

    told = b'{"event":"log.lines_dropped","level":"warning","lines":2}\n'
    eventually(lambda: b"".join(pipe.writes) == b"taken\n0\n1\n2\n" + told)
