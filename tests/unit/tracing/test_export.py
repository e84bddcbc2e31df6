"""Spans that cannot be exported cost nothing but themselves."""

import subprocess
import sys
import time
from threading import Event

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from structlog.testing import capture_logs
from support.fakes import FakeClock
from support.otlp import Receiver

from workers.tracing.export import REPORT_EVERY, Quiet
from workers.tracing.tracing import Tracing


class Exporter:
    def __init__(self, act):
        self._act = act

    def export(self, _spans):
        return self._act()

    def shutdown(self):
        pass


def refusing():
    return SpanExportResult.FAILURE


def raising():
    raise RuntimeError("canary@example.com")


@pytest.mark.parametrize("act", [refusing, raising])
def test_failed_exports_are_one_line_a_minute_with_the_number_of_spans(act):
    clock = FakeClock()
    quiet = Quiet(Exporter(act), now=clock)
    with capture_logs() as lines:
        for _ in range(100):
            assert quiet.export([object()] * 5) is SpanExportResult.FAILURE
            clock.advance(1)
    assert [line["event"] for line in lines] == ["traces.not_exported"] * 2
    assert [line["spans"] for line in lines] == [5, int(REPORT_EVERY) * 5]
    assert not [line for line in lines if "canary" in str(line)]


def test_spans_that_are_exported_are_no_line():
    with capture_logs() as lines:
        Quiet(Exporter(lambda: SpanExportResult.SUCCESS)).export([object()])
    assert lines == []


def test_a_receiver_that_hangs_does_not_hold_up_the_end():
    hangs = Event()
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = Exporter(lambda: hangs.wait(30) and SpanExportResult.SUCCESS)
    provider.add_span_processor(BatchSpanProcessor(Quiet(exporter)))
    provider.get_tracer("test").start_span("one").end()
    began = time.monotonic()
    Tracing(provider).stop(0.2)
    hangs.set()
    assert time.monotonic() - began < 5


def test_a_process_says_what_it_is_and_exports_the_rest_at_its_end(monkeypatch):
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=orders")
        tracing = Tracing.start("payment", version="abc", worker="w-1", environment="prod")
        tracing.tracer.start_span("last").end()
        tracing.stop(10)

    [span] = receiver.spans
    wanted = {
        "service.name": "payment",
        "service.version": "abc",
        "service.instance.id": "w-1",
        "deployment.environment.name": "prod",
        "team": "orders",
    }
    assert wanted.items() <= span.resource.items()


def test_the_sampler_is_chosen_by_the_sdks_variables(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        tracing = Tracing.start("payment", version="abc", worker="w-1", environment=None)
        span = tracing.tracer.start_span("one")
        assert not span.is_recording()
        tracing.stop(10)
    assert receiver.spans == []


def program(text, **environment):
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


ABSENT = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def test_without_the_variable_nothing_of_the_sdk_is_imported():
    done = program(
        "import sys\n"
        "from workers import bootstrap, process\n"
        "from workers.settings import Settings\n"
        "assert bootstrap.start_tracing('payment', Settings.load()) is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_variable_without_the_packages_is_a_wrong_setting():
    done = program(
        ABSENT + "from workers import bootstrap\n"
        "from workers.runtime.errors import SettingsError\n"
        "from workers.settings import Settings\n"
        "try:\n"
        "    bootstrap.start_tracing('payment', Settings.load())\n"
        "except SettingsError as error:\n"
        "    print(error)",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318",
    )
    assert done.stdout == (
        "OTEL_EXPORTER_OTLP_ENDPOINT: opentelemetry.sdk is not installed: "
        "pip install 'workers[tracing]'\n"
    ), done.stderr
