"""A refused request names every field that is wrong."""

import pytest

JSON = {"Content-Type": "application/json"}
LINE = {"sku": "tea", "quantity": 1, "price": 1}


def line(**changes):
    return {"items": [LINE | changes]}


BAD_FIELDS = [
    ({"customerEmail": "nobody"}, "customerEmail"),
    ({"customerEmail": "a@b@example.com"}, "customerEmail"),
    ({"customerEmail": "ada@example.com\r\nBcc: x@example.com"}, "customerEmail"),
    ({"customerEmail": "a" * 250 + "@example.com"}, "customerEmail"),
    ({"customerEmail": None}, "customerEmail"),
    ({"customerEmail": "j\u00f6rg@example.de"}, "customerEmail"),
    ({"customerEmail": "v\u00efctim@m\u00fcnchen.de"}, "customerEmail"),
    ({"customerEmail": "Evil <v@example.com>"}, "customerEmail"),
    ({"customerEmail": '"Ada" <ada@example.com>'}, "customerEmail"),
    ({"customerEmail": '"a b"@example.com'}, "customerEmail"),
    ({"customerEmail": "ada@[127.0.0.1]"}, "customerEmail"),
    ({"customerEmail": "ada@xn--a.de"}, "customerEmail"),
    ({"customerEmail": "ada@" + ("\u00fc" * 60 + ".") * 3 + "de"}, "customerEmail"),
    ({"customerId": ""}, "customerId"),
    ({"customerId": "Ada Lovelace"}, "customerId"),
    ({"customerId": 7}, "customerId"),
    ({"customerId": "x" * 101}, "customerId"),
    ({"owner": ""}, "owner"),
    ({"owner": "a\tb"}, "owner"),
    ({"owner": 7}, "owner"),
    ({"owner": "x" * 256}, "owner"),
    ({"paymentMethod": "a b"}, "paymentMethod"),
    ({"paymentMethod": "4242424242424242"}, "paymentMethod"),
    ({"paymentMethod": "4242-4242-4242-4242"}, "paymentMethod"),
    ({"currency": "euro"}, "currency"),
    ({"currency": "EUR\n"}, "currency"),
    ({"items": []}, "items"),
    ({"items": [LINE] * 51}, "items"),
    ({"items": "tea"}, "items"),
    ({"items": [LINE, 5]}, "items[1]"),
    (line(sku=""), "items[0].sku"),
    (line(sku="a b"), "items[0].sku"),
    (line(sku="x" * 65), "items[0].sku"),
    (line(sku="a\u0000"), "items[0].sku"),
    (line(sku=7), "items[0].sku"),
    (line(quantity=0), "items[0].quantity"),
    (line(quantity=10_001), "items[0].quantity"),
    (line(quantity="1"), "items[0].quantity"),
    (line(quantity=1.5), "items[0].quantity"),
    (line(quantity=True), "items[0].quantity"),
    (line(quantity=10**200), "items[0].quantity"),
    (line(price=-1), "items[0].price"),
    (line(price=19.999), "items[0].price"),
    (line(price="19.999"), "items[0].price"),
    (line(price="1e3"), "items[0].price"),
    (line(price=" 1"), "items[0].price"),
    (line(price="1\n"), "items[0].price"),
    (line(price="1_000"), "items[0].price"),
    (line(price="\u0663"), "items[0].price"),
    (line(price="NaN"), "items[0].price"),
    (line(price=True), "items[0].price"),
    (line(price=None), "items[0].price"),
    (line(price=10**10), "items[0].price"),
    (line(price=9_999_999_999, quantity=2), "items"),
    (line(colour="red"), "items[0].colour"),
    ({"note": "hello"}, "note"),
    ({"customer_email": "ada@example.com"}, "customer_email"),
    ({"totalAmount": "1.00"}, "totalAmount"),
    ({"paymentOutcome": "approved"}, "paymentOutcome"),
    ({"inventoryOutcome": "reserved"}, "inventoryOutcome"),
    ({"simulateTechnicalFailure": "payment"}, "simulateTechnicalFailure"),
]


@pytest.mark.parametrize(("change", "field"), BAD_FIELDS)
def test_an_order_with_a_bad_field_names_it_and_leaves_no_trace(api, order, change, field):
    answer = api.post("/orders", order | change)

    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (422, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in problem["errors"]] == [field]
    assert not api.store.documents
    assert not api.store.records


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("j\u00f6rg@example.de", "before the @-sign are not supported"),
        ("Evil <v@example.com>", "A display name and angle brackets"),
    ],
)
def test_an_undeliverable_address_is_refused_in_clear_words(api, order, address, words):
    (error,) = api.post("/orders", order | {"customerEmail": address}).json()["errors"]

    assert error["message"].startswith("email cannot be sent to this address: ")
    assert words in error["message"]


@pytest.mark.parametrize("field", ["customerEmail", "currency", "items"])
def test_a_missing_field_is_named(api, order, field):
    answer = api.post("/orders", {k: v for k, v in order.items() if k != field})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("field", ["sku", "quantity", "price"])
def test_a_missing_field_of_an_order_line_is_named(api, order, field):
    short = {k: v for k, v in LINE.items() if k != field}

    answer = api.post("/orders", order | {"items": [LINE, short]})

    assert [error["field"] for error in answer.json()["errors"]] == [f"items[1].{field}"]


@pytest.mark.parametrize(
    "wish",
    [
        {"paymentOutcome": "maybe"},
        {"inventoryOutcome": True},
        {"simulateTechnicalFailure": "analytics"},
    ],
)
def test_an_unknown_simulation_is_named(demonstration, order, wish):
    answer = demonstration.post("/orders", order | wish)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == list(wish)


def test_every_bad_field_is_named_at_once(api, order):
    answer = api.post("/orders", order | {"currency": "x", "note": 1} | line(quantity=0))

    named = {error["field"] for error in answer.json()["errors"]}
    assert named == {"currency", "note", "items[0].quantity"}


def test_thousands_of_bad_fields_get_a_short_answer(api, order):
    answer = api.post("/orders", order | {f"x{i}": i for i in range(4_000)})

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20


@pytest.mark.parametrize(
    "body",
    [
        "{",
        '{"currency": "EUR",}',
        '{"currency": NaN}',
        '{"currency": Infinity}',
        '{"currency": "EUR", "currency": "USD"}',
        '{"items": [{"sku": "a", "sku": "b"}]}',
        '{"items": [{"price": 1e99999999999999999999}]}',
        '{"currency": "\\ud800"}',
        '{"quantity": ' + "9" * 5_000 + "}",
        "[" * 300 + "]" * 300,
        "{} {}",
        b"\xff\xfe",
        "\ufeff{}",
    ],
)
def test_a_body_that_is_not_plain_json_is_malformed(api, body):
    answer = api.post("/orders", content=body, headers=JSON)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:problem-type:malformed-body"


@pytest.mark.parametrize("body", ["[]", '"x"', "1", "null", ""])
def test_json_other_than_an_object_is_refused(api, body):
    answer = api.post("/orders", content=body, headers=JSON)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["body"]


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "multipart/json"])
def test_a_body_of_another_content_type_is_refused(api, content_type):
    answer = api.post("/orders", content="{}", headers={"Content-Type": content_type})

    assert answer.status_code == 415


def test_a_charset_does_not_matter(api, order):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}

    assert api.post("/orders", order, headers=headers).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "caf\u00e9".encode()])
def test_a_bad_idempotency_key_is_named(api, order, key):
    answer = api.post("/orders", order, headers={"Idempotency-Key": key})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]
    assert not api.store.records


@pytest.mark.parametrize("key", ["x", "x" * 255, "with spaces ~ and # signs"])
def test_any_printable_idempotency_key_is_accepted(api, key):
    api.place(key=key)

    assert api.store.records.keys() == {f"order-api#{key}"}


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("cancel", {"reason": ""}, "reason"),
        ("cancel", {"reason": "x" * 501}, "reason"),
        ("cancel", {"reason": "line\nbreak"}, "reason"),
        ("refund", {"reason": 5}, "reason"),
        ("refund", {"why": "x"}, "why"),
        ("ship", {"trackingNumber": "a b"}, "trackingNumber"),
    ],
)
def test_a_bad_field_in_a_change_is_named(api, action, body, field):
    placed = api.place()

    answer = api.post(f"/orders/{placed['orderId']}/{action}", body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
