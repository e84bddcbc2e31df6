"""Lines are written in batches, urgent ones at once, and a stalled reader never blocks work."""

import io
from threading import Event

from support.eventually import eventually

from workers.runtime.observability.log_writer import LogWriter


class Pipe(io.RawIOBase):
    """A reader that stalls while ``blocked`` is set."""

    def __init__(self):
        self.writes = []
        self.open = Event()
        self.open.set()

    def write(self, data):
        self.open.wait(5)
        self.writes.append(bytes(data))
        return len(data)


def test_lines_logged_together_are_written_together():
    pipe = Pipe()
    lines = LogWriter(pipe)

    for number in range(10):
        lines.info(b"%d" % number)
    lines.flush()

    assert b"".join(pipe.writes) == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    assert len(pipe.writes) <= 2


def test_a_warning_is_written_at_once_and_in_order():
    pipe = Pipe()
    lines = LogWriter(pipe)

    lines.info(b"first")
    lines.warning(b"second")

    eventually(lambda: b"".join(pipe.writes) == b"first\nsecond\n")


def test_a_stalled_reader_never_blocks_work_and_learns_what_it_missed():
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
