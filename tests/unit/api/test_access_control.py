"""Each caller sees and changes only its own orders, and an operator those of everybody."""

import asyncio
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs
from support.order_api import ORDER, Api

from local.issuer import DevelopmentIssuer
from workers.api.callers import MAX_SUBJECT, NEEDED, OPERATE, READ, WRITE, Caller
from workers.api.keys import FetchedKeys, GivenKeys, parse
from workers.api.tokens import Tokens

ISSUER = DevelopmentIssuer()
PROBLEM = "application/problem+json"
# The requests of each action; the order has to be in a state that allows them.
REQUESTS = {
    "place": ("POST", "/orders"),
    "read": ("GET", "/orders/{}"),
    "cancel": ("POST", "/orders/{}/cancel"),
    "ship": ("POST", "/orders/{}/ship"),
    "refund": ("POST", "/orders/{}/refund"),
}
STATE = {"ship": "confirmed", "refund": "shipped"}


@dataclass
class Client:
    """A client of the API with its token."""

    api: Api
    subject: str
    scopes: tuple = (WRITE, READ)

    def do(self, action, order_id="", key=None, body=None):
        method, path = REQUESTS[action]
        headers = {"Authorization": f"Bearer {ISSUER.token(self.subject, *self.scopes)}"}
        headers |= {"Idempotency-Key": key} if key else {}
        given = body if body is not None else (ORDER if action == "place" else None)
        options = {} if given is None else {"json": given}
        return self.api.request(method, path.format(order_id), headers=headers, **options)

    def place(self, **changes):
        answer = self.do("place", body=ORDER | changes)
        assert answer.status_code == 202, answer.text
        return answer.json()["orderId"]


@pytest.fixture
def api():
    keys = GivenKeys(parse(ISSUER.document()))
    return Api(identify=Tokens(keys, ISSUER.issuer, frozenset({ISSUER.audience})).caller)


@pytest.fixture
def alice(api):
    return Client(api, "alice")


@pytest.fixture
def mallory(api):
    return Client(api, "mallory")


@pytest.fixture
def back_office(api):
    return Client(api, "back-office", (OPERATE,))


def stored(api, order_id):
    return api.store.documents[f"order#{order_id}"]


@pytest.mark.parametrize("action", REQUESTS)
@pytest.mark.parametrize("scopes", [(), (WRITE,), (READ,), (OPERATE,), (WRITE, READ)])
def test_each_route_needs_a_scope(api, alice, action, scopes):
    order_id = alice.place()
    api.move(order_id, STATE.get(action, "pending"))
    before = dict(stored(api, order_id))
    allowed = not set(scopes).isdisjoint(NEEDED[action])

    answer = Client(api, "alice", scopes).do(action, order_id)

    if allowed:
        assert answer.status_code == (200 if action == "read" else 202)
    else:
        least = NEEDED[action][0]
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, PROBLEM)
        assert answer.json()["type"] == "urn:problem-type:insufficient-scope"
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer error="insufficient_scope", scope="{least}"'
        )
        assert stored(api, order_id) == before


@pytest.mark.parametrize("action", ["read", "cancel"])
def test_an_order_of_somebody_else_does_not_exist(api, alice, mallory, action):
    order_id = alice.place()
    before = dict(stored(api, order_id))

    theirs, nobodys = mallory.do(action, order_id), mallory.do(action, "nope")

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json()["type"] == "urn:problem-type:order-not-found"
    assert {**theirs.json(), "instance": ""} == {**nobodys.json(), "instance": ""}
    assert stored(api, order_id) == before
    assert alice.do(action, order_id).status_code in (200, 202)


@pytest.mark.parametrize("action", ["read", "cancel", "ship", "refund"])
def test_an_operator_reads_and_changes_every_order(api, alice, back_office, action):
    order_id = alice.place()
    api.move(order_id, STATE.get(action, "pending"))

    assert back_office.do(action, order_id).status_code in (200, 202)


def test_nobody_refunds_or_ships_their_own_order(api, alice):
    order_id = alice.place()
    api.move(order_id, "shipped")

    assert alice.do("refund", order_id).status_code == 403
    assert alice.do("ship", order_id).status_code == 403


def test_the_order_records_its_owner_and_who_changed_it(api, alice, back_office):
    order_id = alice.place()
    api.move(order_id, "confirmed")
    back_office.do("ship", order_id)
    back_office.do("refund", order_id)

    document = stored(api, order_id)
    assert document["owner"] == "alice"
    assert [(e["eventType"], e["by"]) for e in document["history"]] == [
        ("order.created", "alice"),
        ("order.shipped", "back-office"),
        ("order.refunded", "back-office"),
    ]
    assert "back-office" not in alice.do("read", order_id).text


def test_an_operator_places_an_order_that_belongs_to_its_customer(api, alice, back_office):
    order_id = back_office.place(customerId="alice")

    assert stored(api, order_id)["owner"] == "alice"
    assert stored(api, order_id)["history"][0]["by"] == "back-office"
    assert alice.do("read", order_id).status_code == 200
    assert alice.do("cancel", order_id).status_code == 202


SUBJECTS = [
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "google-oauth2|115230",
    "us-east-1:3f2a/1",
    "ada@example.com",
    "x" * MAX_SUBJECT,
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_an_operator_names_the_owner_by_any_subject_beside_a_customer_of_the_provider(
    api, back_office, subject
):
    order_id = back_office.place(owner=subject, customerId="cus_1")

    assert stored(api, order_id)["owner"] == subject
    assert stored(api, order_id)["customerId"] == "cus_1"
    assert Client(api, subject).do("read", order_id).status_code == 200
    assert Client(api, subject).do("cancel", order_id).status_code == 202
    assert Client(api, "cus_1").do("read", order_id).status_code == 404
    assert '"owner"' not in api.topic.sent[0].body


@pytest.mark.parametrize("owner", ["bob", "alice"])
def test_only_an_operator_names_an_owner(api, alice, owner):
    answer = alice.do("place", body=ORDER | {"owner": owner})

    assert (answer.status_code, answer.headers["Content-Type"]) == (403, PROBLEM)
    assert answer.json()["type"] == "urn:problem-type:insufficient-scope"
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer error="insufficient_scope", scope="{OPERATE}"'
    )
    assert not api.store.documents


def test_the_same_key_with_another_owner_is_another_request(back_office):
    for changes, status in (({"owner": "a|1"}, 202), ({"owner": "a|2"}, 422), ({}, 422)):
        answer = back_office.do("place", key="order-1", body=ORDER | changes)
        assert answer.status_code == status
    assert answer.json()["type"] == "urn:problem-type:idempotency-key-reused"


def test_naming_another_customer_gives_no_order_away_and_takes_none(alice, mallory):
    order_id = mallory.place(customerId="alice")

    assert alice.do("read", order_id).status_code == 404
    assert mallory.do("read", order_id).status_code == 200


def test_orders_without_an_owner_are_for_operators(api, alice, back_office):
    """Earlier versions stored no owner."""
    order_id = alice.place()
    document = {k: v for k, v in stored(api, order_id).items() if k != "owner"}
    for entry in document["history"]:
        del entry["by"]
    api.store.seed(f"order#{order_id}", document)

    assert alice.do("read", order_id).status_code == 404
    assert back_office.do("read", order_id).status_code == 200
    assert back_office.do("cancel", order_id).status_code == 202


def test_the_same_key_of_two_callers_is_two_requests(api, alice, mallory):
    burnt = mallory.do("place", key="order-1")
    mine = alice.do("place", key="order-1", body=ORDER | {"customerEmail": "eve@example.com"})
    same = Client(api, "bob").do("place", key="order-1")

    ids = {answer.json()["orderId"] for answer in (burnt, mine, same)}
    assert [answer.status_code for answer in (burnt, mine, same)] == [202, 202, 202]
    assert len(ids) == 3
    assert not any("Idempotent-Replayed" in answer.headers for answer in (burnt, mine, same))


def test_the_same_key_of_the_same_caller_replays(api, alice):
    first, again = alice.do("place", key="order-1"), alice.do("place", key="order-1")

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.store.documents) == 1


@pytest.mark.parametrize("key", ["{subject}", "event#{event}", "{event}", ".event#{event}"])
def test_no_key_of_a_client_is_a_generated_one(key):
    """Neither with a caller nor without one: a client sees the ids of events."""
    for keys in (None, GivenKeys(parse(ISSUER.document()))):
        api = Api()
        if keys:
            identify = Tokens(keys, ISSUER.issuer, frozenset({ISSUER.audience})).caller
            api = Api(identify=identify)
        client = Client(api, "alice")
        placed = client.do("place").json()
        guess = key.format(event=placed["eventId"], subject="alice")

        answer = client.do("place", key=guess)

        assert answer.status_code == 202
        assert answer.json()["orderId"] != placed["orderId"]


def test_no_key_of_a_client_reaches_into_the_keys_of_a_caller(api, alice):
    alice.do("place", key="order-1")
    name = Caller("alice", frozenset()).hash
    # A version or a task without authentication, on the same table.
    open_api = Api(store=api.store)

    for key in (f".{name}#order-1", f"{name}#order-1", "alice#order-1"):
        answer = open_api.post("/orders", ORDER, headers={"Idempotency-Key": key})
        assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("action", REQUESTS)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "Bearer x.y.z")],
        [("Authorization", f"Bearer {ISSUER.token('alice', WRITE, READ, exp=1)}")],
        [
            ("Authorization", f"Bearer {ISSUER.token('alice', OPERATE)}"),
            ("Authorization", f"Bearer {ISSUER.token('mallory', OPERATE)}"),
        ],
    ],
    ids=["none", "nonsense", "expired", "two"],
)
def test_a_request_without_a_valid_token_is_challenged_and_changes_nothing(
    api, alice, action, headers
):
    order_id = alice.place()
    method, path = REQUESTS[action]
    before = dict(stored(api, order_id))

    answer = api.request(method, path.format(order_id), headers=headers, content=b"{")

    assert (answer.status_code, answer.headers["Content-Type"]) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored(api, order_id) == before
    assert len(api.store.documents) == 1


def test_a_refused_request_is_not_read():
    """Otherwise anybody could make order-api wait for bodies."""
    api = Api(identify=Tokens(GivenKeys({}), ISSUER.issuer, frozenset({"orders"})).caller)
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(api.app(scope, receive, send))

    assert sent[0]["status"] == 401


def test_unknown_paths_need_a_token_and_health_checks_none(api):
    assert api.get("/nothing").status_code == 401
    assert api.get("/healthz").status_code == 200


def test_without_any_key_requests_are_refused_as_an_outage():
    def down():
        raise OSError("no route")

    keys = FetchedKeys(down)
    api = Api(identify=Tokens(keys, ISSUER.issuer, frozenset({"orders"})).caller)

    with capture_logs() as logs:
        answer = Client(api, "alice").do("place")

    assert (answer.status_code, answer.headers["Content-Type"]) == (503, PROBLEM)
    assert answer.headers["Retry-After"] == "5"
    assert "WWW-Authenticate" not in answer.headers
    [served] = [line for line in logs if line["event"] == "request.served"]
    assert (served["log_level"], served["dependency"]) == ("warning", "issuer")


def test_no_log_has_a_token_or_a_subject(api, alice, mallory):
    with capture_logs() as logs:
        order_id = alice.place()
        mallory.do("read", order_id)
        api.get("/orders/1", headers={"Authorization": "Bearer hush.hush.hush"})

    text = str(logs)
    assert text.count("request.served") == 3
    assert not any(word in text for word in ("hush", "alice", "mallory", "eyJ"))


def test_without_authentication_everything_is_as_before():
    api = Api()
    placed = api.place("k1", customerId="alice")
    api.move(placed["orderId"], "shipped")

    assert api.post(f"/orders/{placed['orderId']}/refund").status_code == 202
    document = stored(api, placed["orderId"])
    assert document["owner"] is None
    assert {entry["by"] for entry in document["history"]} == {None}
