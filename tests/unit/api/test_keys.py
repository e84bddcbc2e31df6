"""Keys are fetched rarely, by one thread, and outlive an issuer that is down."""

import asyncio
import json
import threading

import pytest
from structlog.testing import capture_logs
from support.fakes import FakeClock
from support.stub import serving

from local.issuer import DevelopmentIssuer
from workers.api.issuer import CONFIGURATION, MAX_DOCUMENT, Issuer, IssuerError, is_safe
from workers.api.keys import REFRESH_AT_MOST_EVERY, REFRESH_EVERY, FetchedKeys, NoKeys, parse


class Remote:
    """An issuer that counts how often it is asked, and may be down."""

    def __init__(self):
        self.issuers = [DevelopmentIssuer()]
        self.down = False
        self.asked = 0

    def fetch(self):
        self.asked += 1
        if self.down:
            raise OSError("no route")
        keys = [issuer.document() for issuer in self.issuers]
        return {key: found for document in keys for key, found in parse(document).items()}

    def rotate(self):
        self.issuers.append(DevelopmentIssuer())
        return self.issuers[-1].key_id


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def remote():
    return Remote()


@pytest.fixture
def keys(remote, clock):
    return FetchedKeys(remote.fetch, now=clock)


def find(keys, *wanted):
    async def everything():
        return await asyncio.gather(*(keys.find(each) for each in wanted), return_exceptions=True)

    return asyncio.run(everything())


def test_known_keys_are_found_without_asking_again(keys, remote, clock):
    first = remote.issuers[0].key_id
    for _ in range(3):
        assert find(keys, first)[0].key_id == first
        clock.advance(REFRESH_EVERY)
    assert remote.asked == 1


def test_a_new_key_is_fetched_when_a_token_names_it(keys, remote, clock):
    keys.refresh()
    new = remote.rotate()
    clock.advance(REFRESH_AT_MOST_EVERY)

    assert find(keys, new)[0].key_id == new
    assert remote.asked == 2


def test_many_unknown_keys_cost_one_request(keys, remote, clock):
    keys.refresh()
    clock.advance(REFRESH_AT_MOST_EVERY)

    assert find(keys, *(f"unknown-{number}" for number in range(50))) == [None] * 50
    assert find(keys, "another") == [None]
    assert remote.asked == 2

    clock.advance(REFRESH_AT_MOST_EVERY)
    assert find(keys, "another") == [None]
    assert remote.asked == 3


def test_a_slow_issuer_holds_up_only_requests_with_an_unknown_key(remote, clock):
    asked, answer = threading.Event(), threading.Event()

    def slowly():
        found = remote.fetch()
        if remote.asked > 1:
            asked.set()
            assert answer.wait(10)
        return found

    keys = FetchedKeys(slowly, now=clock)
    keys.refresh()
    clock.advance(REFRESH_AT_MOST_EVERY)
    known = remote.issuers[0].key_id

    async def scenario():
        waiting = asyncio.ensure_future(keys.find("unknown"))
        leaving = asyncio.ensure_future(keys.find("unknown"))
        await asyncio.to_thread(asked.wait, 10)
        leaving.cancel()  # a client that goes away
        assert (await keys.find(known)).key_id == known
        assert not waiting.done()
        answer.set()
        assert await waiting is None

    asyncio.run(scenario())
    assert remote.asked == 2


def test_keys_from_before_go_on_while_the_issuer_is_down(keys, remote, clock):
    keys.refresh()
    remote.down = True
    for _ in range(100):
        clock.advance(REFRESH_EVERY)
        keys.refresh()

    assert remote.asked == 101
    assert find(keys, remote.issuers[0].key_id)[0]
    assert find(keys, "unknown") == [None]


def test_without_any_key_yet_nothing_can_be_decided(keys, remote, clock):
    remote.down = True
    with capture_logs() as logs:
        [error] = find(keys, "any")
    assert isinstance(error, NoKeys)
    assert [(line["event"], line["reason"], line["keys"]) for line in logs] == [
        ("keys.not_refreshed", "no route", 0)
    ]

    remote.down = False
    clock.advance(REFRESH_AT_MOST_EVERY)
    assert find(keys, remote.issuers[0].key_id)[0]


@pytest.mark.parametrize(
    "members",
    [
        {"kty": "RSA", "e": "AQAB"},
        {"kty": "RSA", "e": "AQAB", "n": 7},
        {"kty": "RSA", "e": "!", "n": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
    ],
)
def test_a_key_that_cannot_be_read_hides_no_other(members):
    """RFC 7517, 5: an implementation should ignore keys that it cannot use."""
    issuer = DevelopmentIssuer()
    keys = [{"kid": "broken"} | members, *json.loads(issuer.document())["keys"]]

    with capture_logs() as logs:
        assert set(parse(json.dumps({"keys": keys}))) == {issuer.key_id}

    assert [(line["event"], line["keyId"]) for line in logs] == [("keys.unreadable", "broken")]


def test_a_withdrawn_key_is_forgotten_at_the_next_refresh(keys, remote, clock):
    keys.refresh()
    withdrawn = remote.issuers[0].key_id
    remote.rotate()
    del remote.issuers[0]
    clock.advance(REFRESH_EVERY)
    keys.refresh()

    assert find(keys, withdrawn) == [None]


class Stopping:
    """A flag that records the waits, and is set after some."""

    def __init__(self, waits):
        self.left, self.waited = waits, []

    def wait(self, seconds):
        self.waited.append(seconds)
        return len(self.waited) > self.left


def test_the_thread_looks_sooner_while_there_is_no_key(keys, remote, clock):
    remote.down = True
    stopping = Stopping(3)
    waits = stopping.wait

    def advancing(seconds):
        clock.advance(seconds)
        remote.down = len(stopping.waited) < 2
        return waits(seconds)

    stopping.wait = advancing
    keys.refresh()
    keys.watch(stopping)

    assert stopping.waited == [10.0, 10.0, 10.0, 300.0][: len(stopping.waited)]
    assert stopping.waited[-1] == REFRESH_EVERY


# --- over HTTP ---------------------------------------------------------------------


@pytest.fixture
def stub():
    with serving() as served:
        yield served


def test_the_keys_are_read_from_their_url(stub):
    development = DevelopmentIssuer()
    stub.body = development.document().encode()

    assert list(Issuer(stub.url, f"{stub.url}/jwks").keys()) == [development.key_id]
    assert [request[:2] for request in stub.requests] == [("GET", "/jwks")]


def test_the_url_of_the_keys_is_discovered_at_each_refresh(stub):
    development, issuer = DevelopmentIssuer(), f"{stub.url}/pool/"
    configuration = {"issuer": issuer, "jwks_uri": f"{stub.url}/keys"}
    stub.bodies = {f"/pool{CONFIGURATION}": json.dumps(configuration).encode()}
    stub.body = development.document().encode()

    assert list(Issuer(issuer).keys()) == [development.key_id]
    assert [path for _, path, _ in stub.requests] == [f"/pool{CONFIGURATION}", "/keys"]


@pytest.mark.parametrize(
    "configuration",
    [
        '{"issuer": "https://evil.example", "jwks_uri": "http://127.0.0.1/keys"}',
        '{"issuer": "ISSUER", "jwks_uri": "http://169.254.170.2/keys"}',
        '{"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}',
        '{"issuer": "ISSUER", "jwks_uri": 7}',
        '{"issuer": "ISSUER"}',
        "[]",
    ],
)
def test_a_configuration_that_leads_elsewhere_is_not_followed(stub, configuration):
    stub.body = configuration.replace("ISSUER", stub.url).encode()

    with pytest.raises(IssuerError):
        Issuer(stub.url).keys()
    assert len(stub.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
def test_another_answer_than_success_gives_no_keys_and_a_redirect_is_not_followed(stub, status):
    stub.status, stub.body = status, DevelopmentIssuer().document().encode()
    stub.told = {"Location": f"{stub.url}/elsewhere"}

    with pytest.raises(IssuerError, match=str(status)):
        Issuer(stub.url, f"{stub.url}/jwks").keys()
    assert len(stub.requests) == 1


def test_an_endless_document_is_cut_off(stub):
    stub.body = b" " * (MAX_DOCUMENT + 10)

    with pytest.raises(IssuerError, match="bytes"):
        Issuer(stub.url, f"{stub.url}/jwks").keys()


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://login.example.com/", True),
        ("http://127.0.0.1:8000/pool", True),
        ("http://localhost/pool", True),
        ("http://login.example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://169.254.170.2/", False),
        ("ftp://localhost/", False),
        ("https:///keys", False),
        ("login.example.com", False),
        ("", False),
        ("https://[x", False),
    ],
)
def test_keys_are_read_only_where_nobody_can_change_them_on_the_way(url, safe):
    assert is_safe(url) == safe
