"""Only what a holder of a key has signed is believed, byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from support.builders import an_envelope, an_order, encoded
from support.fakes import FakeClock

from workers.envelope import Encoded, EnvelopeError
from workers.events import accepting, decode
from workers.runtime.errors import SettingsError
from workers.settings import Settings
from workers.signing import Signing, UnknownKey, Unsigned, WrongSignature
from workers.topology import Topology

OLD, NEW = "o" * 32, "n" * 32
SIGNING = Signing({"new": NEW}, "new")
BODY = an_envelope().encode()
SIGNED = SIGNING.sign(BODY)
RAW = SIGNED.encode()
PUBLISHERS = Topology.load().publishers


def test_a_signed_event_is_believed():
    SIGNING.verify(SIGNED)
    assert accepting(PUBLISHERS, SIGNING.check)(SIGNED) == an_envelope()


def test_a_version_that_knows_no_signatures_reads_a_signed_event():
    assert decode(SIGNED) == an_envelope()
    assert Encoded.read(SIGNED).attributes == Encoded.read(BODY).attributes


@given(st.integers(0, len(RAW) * 8 - 1))
def test_every_flipped_bit_is_refused(bit):
    flipped = bytearray(RAW)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EnvelopeError):
        accepting(PUBLISHERS, SIGNING.check)(flipped.decode(errors="surrogateescape"))


@pytest.mark.parametrize("position", range(len(RAW)))
def test_every_byte_is_covered(position):
    flipped = bytearray(RAW)
    flipped[position] ^= 1
    with pytest.raises((Unsigned, UnknownKey, WrongSignature)):
        SIGNING.verify(flipped.decode())


@given(st.text(alphabet=' \n\t{}",:asign0', min_size=1, max_size=5), st.integers(0, len(SIGNED)))
def test_nothing_can_be_added(text, position):
    with pytest.raises((Unsigned, UnknownKey, WrongSignature)):
        SIGNING.verify(SIGNED[:position] + text + SIGNED[position:])


@given(st.integers(0, len(SIGNED) - 1))
def test_nothing_can_be_cut_off(length):
    with pytest.raises((Unsigned, UnknownKey, WrongSignature)):
        SIGNING.verify(SIGNED[:length])


def test_a_signature_does_not_fit_another_event():
    other = an_envelope(an_order(order_id="order-2")).encode()
    moved = other[:-1] + SIGNED[len(BODY) - 1 :]
    with pytest.raises(WrongSignature):
        SIGNING.verify(moved)


def test_the_key_decides():
    with pytest.raises(WrongSignature):
        Signing({"new": OLD}, "new").verify(SIGNED)


def test_an_event_in_a_notification_of_sns_is_verified():
    wrapped = json.dumps({"Type": "Notification", "Message": SIGNED})
    assert accepting(PUBLISHERS, SIGNING.check)(wrapped) == an_envelope()
    bare = json.dumps({"Type": "Notification", "Message": BODY})
    with pytest.raises(Unsigned):
        accepting(PUBLISHERS, SIGNING.check)(bare)


def test_two_keys_verify_while_one_is_replaced():
    """Each step of a rotation: processes of the step before run beside those of the next."""
    first = Signing({"old": OLD}, "old")
    both = Signing({"old": OLD, "new": NEW}, "old")
    switched = Signing({"old": OLD, "new": NEW}, "new")
    last = Signing({"new": NEW}, "new")
    for one, other in ((first, both), (both, switched), (switched, last)):
        one.verify(other.sign(BODY))
    both.verify(first.sign(BODY))
    switched.verify(both.sign(BODY))
    last.verify(switched.sign(BODY))
    with pytest.raises(UnknownKey):
        last.verify(both.sign(BODY))


def test_signing_without_requiring_believes_all_and_warns_once_a_minute():
    clock = FakeClock()
    signing = Signing({"new": NEW}, "new", "sign", now=clock)
    with capture_logs() as lines:
        for _ in range(3):
            signing.check(BODY)
            signing.check(SIGNED.replace("tea", "oil"))
        assert [line["errorType"] for line in lines] == ["unsigned", "wrong_signature"]
        clock.advance(60)
        signing.check(BODY)
        assert [line["errorType"] for line in lines[2:]] == ["unsigned"]


def test_a_stored_event_keeps_its_signature():
    """Outbox rows, inbox rows and dead letters hold the text, and nothing encodes it again."""
    event = Encoded.of(an_envelope(), SIGNING.sign)
    SIGNING.verify(Encoded.read(event.body).body)
    assert event.attributes == encoded().attributes


def test_what_a_person_wrote_is_signed_once():
    once = SIGNING.signed(BODY + "\n")
    assert once == SIGNED
    assert SIGNING.signed(once + "\n") == SIGNED


def test_an_altered_event_is_not_signed_again_without_the_key_of_the_old_signature():
    """Whether the old signature was right cannot be told, so nothing may be written."""
    signed = Signing({"old": OLD}, "old").sign(BODY)
    with pytest.raises(UnknownKey):
        Signing({"new": NEW}, "new").resigned(signed, signed.replace("tea", "oil"))


def test_the_key_that_is_missing_for_a_signature_is_named():
    signed_by_old = Signing({"old": OLD}, "old").sign(BODY)
    assert Signing({"new": NEW}, "new").missing_key(signed_by_old) == "old"
    for body in (BODY, SIGNING.sign(BODY), SIGNED.replace("tea", "oil")):
        assert SIGNING.missing_key(body) is None


def settings(**changes):
    given = {
        "signing": "require",
        "signing_key_id": "new",
        "signing_keys": json.dumps({"new": NEW}),
    }
    return Settings(**(given | changes))


def test_keys_come_from_the_settings():
    Signing.of(settings()).verify(SIGNED)
    assert Signing.of(settings(signing="off")) is None
    Signing.of(settings(signing="sign")).check(BODY)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"signing_keys": None}, "SIGNING_KEY_ID"),
        ({"signing_keys": "{"}, "SIGNING_KEYS"),
        ({"signing_keys": "[]"}, "SIGNING_KEYS"),
        ({"signing_keys": '{"new":"short"}'}, "SIGNING_KEYS"),
        ({"signing_keys": '{"new":7}'}, "SIGNING_KEYS"),
        ({"signing_keys": json.dumps({"a b": NEW})}, "SIGNING_KEYS"),
        ({"signing_key_id": ""}, "SIGNING_KEY_ID"),
        ({"signing_key_id": "other"}, "SIGNING_KEY_ID"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_shows_no_key(changes, named):
    with pytest.raises(SettingsError, match=named) as refusal:
        Signing.of(settings(**changes))
    assert "short" not in str(refusal.value).replace("shorter", "")
    assert NEW not in str(refusal.value)


def test_a_key_is_in_no_text_of_the_settings():
    assert NEW not in repr(settings())
