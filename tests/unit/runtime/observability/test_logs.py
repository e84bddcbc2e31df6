"""Every log line is one JSON object, of limited length and without addresses."""

import json
import logging
import time

import pytest
import structlog

from workers.runtime.observability.logs import MAX_TEXT, redact, stack_of


@pytest.fixture
def lines(logged_lines):
    return lambda: [json.loads(line) for line in logged_lines().splitlines()]


@pytest.fixture
def log():
    return structlog.get_logger()


def test_a_line_is_a_json_object_with_time_level_and_service(lines, log):
    log.info("order.charged", orderId="order-1", amount=12)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "order.charged",
        "level": "info",
        "service": "payment",
        "orderId": "order-1",
        "amount": 12,
    }


def test_fields_bound_to_a_message_are_in_every_line_about_it(lines, log):
    with structlog.contextvars.bound_contextvars(eventId="event-1"):
        log.info("a")
    log.info("b")
    assert [line.get("eventId") for line in lines()] == ["event-1", None]


def test_a_line_break_does_not_make_a_second_line(lines, log):
    log.info('one\n{"event": "forged"}')
    assert len(lines()) == 1


@pytest.mark.parametrize(
    "value",
    [
        "ada@example.com",
        "to ada@example.com, please",
        "<ada@example.com>",
        "customer_email='ada@example.com'",
        {"to": "ada@example.com"},
        {"deep": [{"to": ("ada@example.com",)}]},
        ValueError("ada@example.com"),
        {"ada@example.com"},
    ],
    ids=repr,
)
def test_an_address_never_appears_in_a_line(logged_lines, log, value):
    log.info("mail", value=value)
    text = logged_lines()
    assert "[e-mail]" in text
    assert "ada@" not in text
    assert "example.com" not in text


def test_an_address_in_a_stack_is_removed(logged_lines, log):
    try:
        _fail("no mailbox for ada@example.com")
    except ValueError:
        log.exception("mail.failed")
    text = logged_lines()
    assert "Traceback" in text
    assert "ada@example.com" not in text


def test_text_that_is_no_address_stays():
    assert redact("a @ b, 3@, @home") == "a @ b, 3@, @home"


def test_redacting_a_long_word_is_quick():
    """A slow regular expression would block every thread: it holds the interpreter lock."""
    before = time.process_time()
    redact("x" * 200_000 + " @ " + "y" * 200_000 + "@")
    assert time.process_time() - before < 0.5


def test_a_long_value_is_cut(lines, log):
    log.info("long", reason="x" * 100_000)
    assert len(lines()[0]["reason"]) == MAX_TEXT


def test_a_long_stack_keeps_its_end():
    def deeper(depth):
        if depth == 0:
            raise ValueError("the end")
        deeper_still(depth - 1)

    def deeper_still(depth):
        deeper(depth)

    with pytest.raises(ValueError, match="the end") as caught:
        deeper(100)
    stack = stack_of(caught.value)
    assert len(stack) <= MAX_TEXT
    assert stack.endswith("ValueError: the end\n")


@pytest.mark.parametrize("value", ["\ud800", 2**70, float("nan"), b"\xff", object(), {1: 2}])
def test_a_line_never_raises(lines, log, value):
    log.info("odd", value=value)
    assert lines()[0]["event"] == "odd"


def test_the_standard_library_logs_the_same_way(lines):
    logging.getLogger("botocore").warning("no answer for %s", "ada@example.com")
    (line,) = lines()
    assert line["event"] == "no answer for [e-mail]"
    assert line["logger"] == "botocore"
    assert line["level"] == "warning"
    assert line["service"] == "payment"


def test_a_stack_of_the_standard_library_is_in_the_line(lines):
    try:
        _fail("ada@example.com")
    except ValueError:
        logging.getLogger("uvicorn").exception("failed")
    (line,) = lines()
    assert line["stack"].endswith("ValueError: [e-mail]\n")


def test_info_lines_of_libraries_are_left_out(lines):
    logging.getLogger("urllib3").info("connection opened")
    assert lines() == []


@pytest.mark.parametrize("logged_lines", ["warning"], indirect=True)
def test_the_level_is_that_of_the_settings(lines, log):
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines()] == ["loud"]


def _fail(text):
    raise ValueError(text)
