"""Personal data is masked by the types of the events' fields."""

import json
from pathlib import Path

import pytest
from support.builders import an_envelope, an_order

from workers.ops.masking import MASK, masked, masked_value

GOLDEN = sorted((Path(__file__).parents[2] / "contract" / "golden").glob("*.json"))


def test_personal_fields_are_masked_and_the_others_are_shown():
    order = an_order(customer_id="customer-1", payment_method="pm_card_visa")

    shown = json.loads(masked(an_envelope(order).encode()))

    data = shown["data"]
    assert [data[name] for name in ("customerEmail", "customerId", "paymentMethod")] == [MASK] * 3
    assert (data["orderId"], data["items"][0]["sku"], data["totalAmount"]) == (
        "order-1",
        "tea",
        "24.60",
    )
    assert shown["eventId"] == "event-1"


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_no_golden_event_shows_an_address(file):
    assert "@" not in masked(file.read_text("utf-8"))


@pytest.mark.parametrize(
    "body",
    [
        '{"eventType": "order.created", "data": {"customerEmail": ["ada@example.com"]}}',
        '{"data": {"customerEmail": {"orderId": "ada@example.com"}}}',
        '{"data": {"phone": "0049 ada", "nested": [{"tag": "ada"}]}}',
        '{"data": {"reason": "mail ada@example.com"}}',
        '{"ada@example.com": 1}',
        '["ada@example.com"]',
        '"ada"',
        "{truncated ada@example.com",
        '{"customerEmail": "ada\\u0040example.com"',
        '{"data": {"customerEmail": "ada@example.com"}, "data": {"customerEmail": "ada@x.org"}}',
    ],
)
def test_no_body_shows_what_may_be_personal(body):
    text = masked(body)

    assert "@" not in text
    assert '"ada"' not in text
    assert "0049" not in text


def test_the_event_inside_a_notification_is_masked_too():
    inner = an_envelope(an_order()).encode()

    shown = json.loads(masked(json.dumps({"Type": "Notification", "Message": inner})))

    assert shown["Message"]["data"]["customerEmail"] == MASK
    assert shown["Message"]["data"]["orderId"] == "order-1"


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("data.customerEmail", "ada@example.com", MASK),
        ("data.customerEmail", None, MASK),
        ("data.items.0.quantity", 3, 3),
        ("data.phone", "1", MASK),
    ],
)
def test_a_single_value_is_masked_by_its_path(path, value, shown):
    assert masked_value(path, value) == shown
