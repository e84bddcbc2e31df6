"""Every ``Payloads`` behaves like this."""

import pytest

from workers.runtime.errors import Missing

LIMIT = 300_000


def test_a_body_comes_back_byte_for_byte(payloads):
    body = "☃ \r\n\x7f".encode() * 40_000
    payloads.put("2026-01-02/a/b/c/d", body)
    assert payloads.get("2026-01-02/a/b/c/d", LIMIT) == body


def test_a_repeat_stores_the_same(payloads):
    for _ in range(2):
        payloads.put("key", b"body")
    assert payloads.get("key", LIMIT) == b"body"


@pytest.mark.parametrize("key", ["key", "a/../b", "a b+c&d=é?#%41"])
def test_a_key_is_used_as_it_is(payloads, key):
    payloads.put(key, key.encode())
    assert payloads.get(key, LIMIT) == key.encode()
    with pytest.raises(Missing):
        payloads.get(f"{key}x", LIMIT)


@pytest.mark.parametrize(("size", "found"), [(LIMIT, True), (LIMIT + 1, False)])
def test_a_body_over_the_limit_is_not_read(payloads, size, found):
    payloads.put("key", b"x" * size)
    assert (payloads.get("key", LIMIT) is not None) is found


def test_an_object_that_does_not_exist_is_missing_and_an_outage_of_s3(payloads):
    with pytest.raises(Missing) as missing:
        payloads.get("key", LIMIT)
    assert missing.value.dependency == "s3"
