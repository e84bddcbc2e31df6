"""The decision which caller may do what."""

import pytest

from workers.api.callers import EVERYBODY, NEEDED, OPERATE, READ, WRITE, Caller, known_scopes

ALLOWED = {
    WRITE: {"place", "cancel"},
    READ: {"read"},
    OPERATE: {"place", "read", "cancel", "ship", "refund"},
}


def caller(*scopes, subject="alice"):
    return Caller(subject, frozenset(scopes))


@pytest.mark.parametrize("action", NEEDED)
@pytest.mark.parametrize("scope", ALLOWED)
def test_a_scope_allows_its_actions_and_no_other(scope, action):
    assert caller(scope).may(action) == (action in ALLOWED[scope])


@pytest.mark.parametrize("action", NEEDED)
def test_no_scope_allows_nothing(action):
    assert not caller().may(action)
    assert EVERYBODY.may(action)


@pytest.mark.parametrize(
    ("who", "owner", "reached"),
    [
        (caller(READ, WRITE), "alice", True),
        (caller(READ, WRITE), "bob", False),
        (caller(READ, WRITE), None, False),
        (caller(OPERATE), "bob", True),
        (caller(OPERATE), None, True),
        (EVERYBODY, None, True),
        (EVERYBODY, "bob", True),
    ],
)
def test_a_caller_reaches_its_own_orders_and_an_operator_all(who, owner, reached):
    assert who.reaches(owner) == reached


@pytest.mark.parametrize(
    ("who", "customer", "owner"),
    [
        (caller(WRITE), None, "alice"),
        (caller(WRITE), "bob", "alice"),
        (caller(OPERATE), None, "alice"),
        (caller(OPERATE), "bob", "bob"),
        (EVERYBODY, None, None),
        (EVERYBODY, "bob", None),
    ],
)
def test_only_an_operator_places_orders_for_a_customer(who, customer, owner):
    assert who.owner_of(customer) == owner


@pytest.mark.parametrize(
    ("who", "named", "owner"),
    [
        (caller(OPERATE), "auth0|5f7c", "auth0|5f7c"),
        (EVERYBODY, "auth0|5f7c", "auth0|5f7c"),
        (caller(OPERATE), None, "cus_1"),
        (EVERYBODY, None, None),
    ],
)
def test_a_named_owner_comes_before_the_customers_id(who, named, owner):
    assert who.owner_of("cus_1", named) == owner


def test_cognitos_spelling_of_a_scope_is_known_and_every_other_scope_is_dropped():
    given = ["orders/write", "orders:read", "openid", "admin", "orders/operate/x", "ORDERS:OPERATE"]

    assert known_scopes(given) == {WRITE, READ}


def test_the_name_of_a_caller_in_keys_is_its_own_and_has_no_separator():
    names = {caller(subject=subject).hash for subject in ("alice", "alice#1", "bob", "order-api")}

    assert len(names) == 4
    assert all(name.isalnum() for name in names)
