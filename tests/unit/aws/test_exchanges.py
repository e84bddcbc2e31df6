"""Responses are read as the standard library's client reads them, and broken ones are refused."""

import http.client
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.aws import exchanges
from workers.aws.exchanges import MAX_OVERHEAD, BrokenResponse, Exchanges, Headers, written

PIECES = pytest.mark.parametrize(
    "pieces", [1, 7, exchanges.READ_SIZE], ids=lambda size: f"by-{size}"
)
OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\n{}"
RESPONSES = {
    "length": WHOLE,
    "long": OK + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000,
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "chunks": OK
    + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
    "trailer": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "until-the-end": OK + b"Content-Type: text/html\r\n\r\n<html>",
    "older": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "older-until-the-end": b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>",
    "older-kept": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
    "last": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "no-reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "continue": b"HTTP/1.1 100 Continue\r\nX-First: 1\r\n\r\n" + WHOLE,
    "headers": OK
    + b"X-Empty:\r\nX-SPACE: \t a  b \t\r\nX-Latin: \xfc\r\nContent-Length: 0\r\n\r\n",
    "many": OK + b"".join(b"X-%d: 1\r\n" % number for number in range(90)) + b"\r\n",
}


@pytest.fixture
def answered(monkeypatch):
    """Read a response that arrives in pieces of a size, and then the end of the connection."""
    opened = []

    def read(response, pieces=exchanges.READ_SIZE, *, ends=True):
        monkeypatch.setattr(exchanges, "READ_SIZE", pieces)
        ours, theirs = socket.socketpair()
        opened.extend((ours, theirs))
        ours.settimeout(5)
        theirs.sendall(response)
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        exchange = Exchanges(ours)
        return exchange, exchange.exchange(b"request"), theirs

    yield read
    for each in opened:
        each.close()


def by_the_standard_library(response):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(response)
        theirs.shutdown(socket.SHUT_WR)
        with http.client.HTTPResponse(ours, method="POST") as read:
            read.begin()
            headers = {name.lower(): value.strip() for name, value in read.getheaders()}
            return read.status, headers, read.read(), not read.will_close


@PIECES
@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_that_of_the_standard_library(answered, name, pieces):
    exchange, answer, _ = answered(RESPONSES[name], pieces)

    found = answer.status_code, dict(answer.headers), answer.content, exchange.reusable
    assert found == by_the_standard_library(RESPONSES[name])


def test_a_request_is_sent_whole_and_the_connection_is_used_again(answered):
    exchange, _, theirs = answered(RESPONSES["trailer"], ends=False)
    assert exchange.reusable
    assert not exchange.is_stale()
    theirs.sendall(b"HTTP/1.1 400 Bad Request\r\nX: 1\r\nContent-Length: 1\r\n\r\n!")

    answer = exchange.exchange(b" and another")

    assert (answer.status_code, answer.content) == (400, b"!")
    assert answer.headers == {"x": "1", "content-length": "1"}
    assert theirs.recv(100) == b"request and another"


def test_hints_before_a_response_are_skipped(answered):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    _, answer, _ = answered(hints * 2 + WHOLE)

    assert (answer.status_code, answer.headers) == (200, {"content-length": "2"})


def test_headers_of_one_name_are_one_list(answered):
    _, answer, _ = answered(OK + b"Vary: a\r\nX: 1\r\nvary: b\r\nContent-Length: 0\r\n\r\n")

    assert answer.headers["Vary"] == "a, b"


BROKEN = {
    "nothing": b"",
    "half-a-head": OK + b"Content-Le",
    "half-a-body": OK + b"Content-Length: 3\r\n\r\n{}",
    "half-a-chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}",
    "no-last-chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "half-a-size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "two-lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "two-framings": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no-length": OK + b"Content-Length: -1\r\n\r\n{}",
    "hints-only": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "another-protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
    "not-http": b"SSH-2.0-OpenSSH_9.9\r\n",
    "null": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
}


@PIECES
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_response_is_refused(answered, name, pieces):
    with pytest.raises(BrokenResponse):
        answered(BROKEN[name], pieces)


@pytest.mark.parametrize(
    "endless",
    [
        OK + b"X: " + b"x" * 2 * MAX_OVERHEAD,
        OK + b"X: x\r\n" * MAX_OVERHEAD,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * MAX_OVERHEAD,
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * 2 * MAX_OVERHEAD,
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 2 * MAX_OVERHEAD,
    ],
    ids=["header", "headers", "hints", "chunk", "trailer"],
)
def test_what_never_ends_is_refused_soon(endless):
    """The other side sends more than the limit, and does not close."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.settimeout(0.0)  # as much as the connection takes
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_OVERHEAD)
        assert theirs.send(endless) > MAX_OVERHEAD

        with pytest.raises(BrokenResponse, match="65536 bytes"):
            Exchanges(ours).exchange(b"request")


@pytest.mark.parametrize("more", [b"junk", WHOLE, b"HTTP/1.1 103 Early Hints\r\n\r\n"])
@pytest.mark.parametrize("response", [WHOLE, RESPONSES["last"]], ids=["kept", "last"])
def test_what_follows_a_response_is_not_read_and_ends_the_connection(answered, response, more):
    exchange, answer, _ = answered(response + more, ends=False)

    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["content-length"] == "2"
    assert not exchange.reusable


@pytest.mark.parametrize("end", [lambda other: other.send(b"!"), lambda other: other.close()])
def test_a_connection_is_stale_if_something_comes_without_a_request(answered, end):
    exchange, _, theirs = answered(WHOLE, ends=False)

    end(theirs)

    assert exchange.is_stale()


def test_silence_is_a_timeout_and_the_connection_is_not_used_again():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.01)
        theirs.sendall(WHOLE[:-1])
        exchange = Exchanges(ours)

        with pytest.raises(TimeoutError):
            exchange.exchange(b"request")

        assert not exchange.reusable


def test_headers_are_found_in_any_case():
    headers = Headers({"x-amzn-requestid": "1"})

    assert headers["X-Amzn-RequestId"] == headers.get("X-AMZN-REQUESTID") == "1"
    assert "X-Amzn-RequestId" in headers
    assert ("Other" in headers, headers.get("Other"), headers.get("Other", "")) == (False, None, "")
    with pytest.raises(KeyError):
        _ = headers["Other"]


def test_a_request_has_its_length_and_refuses_compression():
    assert written("/", {"Host": "h", "X-Latin": "\xfc"}, "größer".encode()) == (
        b"POST / HTTP/1.1\r\nHost: h\r\nX-Latin: \xfc\r\nAccept-Encoding: identity\r\n"
        b"Content-Length: 8\r\n\r\ngr\xc3\xb6\xc3\x9fer"
    )


@given(
    st.dictionaries(
        st.text("aX-", min_size=1), st.text(st.sampled_from("a: \t\r\n\0\x85\xfc€")), max_size=3
    )
)
def test_no_header_adds_another_header_or_a_request(headers):
    try:
        sent = written("/", headers, b"")
    except ValueError:
        assert set("\r\n\0€") & set("".join(headers.values()))
        return
    assert not set("\r\n\0€") & set("".join(headers.values()))
    lines = sent.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    assert lines[1:-2] == [f"{name}: {value}" for name, value in headers.items()]


@pytest.mark.parametrize("target", ["/\r\nX: 1", "/\n", "http://h\r/"])
def test_a_target_with_a_line_break_is_refused(target):
    with pytest.raises(ValueError, match="line break"):
        written(target, {}, b"")
