"""Addresses are normalised to the form that mail is sent to."""

import pytest

from workers.addresses import ERASED, readable, sendable


@pytest.mark.parametrize(
    ("typed", "sent_to"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada+news@EXAMPLE.com", "Ada+news@example.com"),
        ("ada@bücher.example.de", "ada@xn--bcher-kva.example.de"),
        ("ada@BÜCHER.de", "ada@xn--bcher-kva.de"),
        ("ada@xn--bcher-kva.de", "ada@xn--bcher-kva.de"),
        ("ada@faß.de", "ada@xn--fa-hia.de"),  # IDNA 2003 would say fass.de: another domain
        ("ada@例え.jp", "ada@xn--r8jz45g.jp"),
        ("ada@example。com", "ada@example.com"),  # an ideographic full stop
    ],
)
def test_an_address_is_written_in_ascii(typed, sent_to):
    assert sendable(typed) == sent_to
    assert sendable(sent_to) == sent_to


@pytest.mark.parametrize(
    "typed",
    [
        "jörg@example.de",
        "jörg@bücher.de",
        "Evil <v@example.com>",
        '"a b"@example.com',
        "ada@[127.0.0.1]",
        "ada@localhost",
        "ada@xn--a.de",
        "ada@" + "ü" * 60 + ".de",
        "ada@exa\u200dmple.com",
        "ada",
        ERASED,
        "",
    ],
)
def test_an_undeliverable_address_is_refused(typed):
    with pytest.raises(ValueError, match=r"^email cannot be sent to this address: "):
        sendable(typed)


@pytest.mark.parametrize("typed", ["ada@bücher.de", "ada@faß.de", "Ada@example.com"])
def test_an_address_is_shown_as_it_was_typed(typed):
    assert readable(sendable(typed)) == typed
