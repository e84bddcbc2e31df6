"""Fault rules decide which requests fail."""

import json
import time
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.aws.faults.modes import MODES
from local.aws.faults.rules import Faults, Rule

RECEIVE = ("sqs", "ReceiveMessage", b'{"QueueUrl": "http://localhost/1/payment"}')


def fired(faults, requests):
    """Send this many requests; return the numbers of those that fail, counted from 1."""
    return [number for number in range(1, requests + 1) if faults.decide(*RECEIVE)]


def rule(**changes):
    return Rule(**({"operation": "sqs.ReceiveMessage", "mode": "error"} | changes))


def test_without_rules_nothing_fails():
    assert not Faults()
    assert Faults().decide(*RECEIVE) is None


def test_a_rule_fires_for_every_matching_request():
    assert fired(Faults([rule()]), 3) == [1, 2, 3]


def test_a_rule_can_skip_the_first_requests():
    assert fired(Faults([rule(skip=2)]), 4) == [3, 4]


def test_a_rule_fires_at_most_count_times():
    assert fired(Faults([rule(skip=1, count=2)]), 5) == [2, 3]


def test_a_count_of_zero_never_fires():
    assert fired(Faults([rule(count=0)]), 3) == []


def test_the_same_seed_gives_the_same_faults_and_another_seed_others():
    seven = fired(Faults([rule(rate=0.3)], seed=7), 200)

    assert fired(Faults([rule(rate=0.3)], seed=7), 200) == seven
    assert fired(Faults([rule(rate=0.3)], seed=8), 200) != seven


@given(st.floats(min_value=0.001, max_value=1), st.integers())
def test_a_rate_is_about_the_share_of_failed_requests(rate, seed):
    share = len(fired(Faults([rule(rate=rate)], seed), 400)) / 400

    assert abs(share - rate) < 0.15  # six standard deviations


def test_two_rules_with_one_rate_fire_for_different_requests():
    faults = Faults([rule(rate=0.5), rule(operation="sns.Publish", rate=0.5)], seed=1)

    receives = [bool(faults.decide(*RECEIVE)) for _ in range(50)]
    publishes = [bool(faults.decide("sns", "Publish", b"")) for _ in range(50)]

    assert receives != publishes


def test_a_rule_does_not_count_requests_that_an_earlier_rule_failed():
    faults = Faults([rule(rate=0.5), rule()])
    fired(faults, 100)

    first, second = faults.as_document()["rules"]
    assert second["seen"] == 100 - first["fired"]


def test_the_first_rule_that_fires_wins():
    faults = Faults([rule(mode="error", skip=1), rule(mode="throttle")])

    modes = [faults.decide(*RECEIVE).mode for _ in range(2)]

    assert modes == ["throttle", "error"]


def test_a_fault_knows_the_number_of_its_request():
    assert Faults([rule(skip=4)]).decide(*RECEIVE) is None
    faults = Faults([rule(skip=1)])
    faults.decide(*RECEIVE)
    assert faults.decide(*RECEIVE).number == 2


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("*", True),
        ("sqs.*", True),
        ("sqs.ReceiveMessage", True),
        ("sqs.SendMessage", False),
        ("sns.*", False),
    ],
)
def test_an_operation_may_be_a_pattern(pattern, hit):
    assert bool(Faults([rule(operation=pattern)]).decide(*RECEIVE)) == hit


def test_a_service_without_faults_is_left_alone():
    assert Faults([rule(operation="*")]).decide("sts", "AssumeRole", b"") is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"Id": "a/b\\"c"}',
        b"Action=Publish&Id=a%2Fb%22c",
    ],
)
def test_a_match_is_found_in_json_and_in_form_bodies(body):
    faults = Faults([Rule(operation="sns.*", mode="error", match='a/b"c')])

    assert faults.decide("sns", "Publish", body)
    assert faults.decide("sns", "Publish", b"another") is None
    assert faults.as_document()["rules"][0]["seen"] == 1


def test_a_mode_applies_only_to_its_operations():
    faults = Faults([Rule(operation="*", mode="partial")])

    assert faults.decide(*RECEIVE) is None
    assert faults.decide("sqs", "DeleteMessageBatch", b"{}").mode == "partial"


def test_only_a_query_on_an_index_can_be_stale():
    faults = Faults([Rule(operation="dynamodb.Query", mode="stale", lag=3)])

    assert faults.lag == 3
    assert faults.decide("dynamodb", "Query", b'{"TableName": "t"}') is None
    assert faults.decide("dynamodb", "Query", b'{"TableName": "t", "IndexName": "i"}')


def test_counts_are_reported_by_rule_and_by_mode():
    rules = [rule(count=1), rule(mode="throttle", count=1), rule(operation="sns.*")]
    faults = Faults(rules, seed=3)
    fired(faults, 3)

    assert faults.as_document() == {
        "seed": 3,
        "rules": [
            rules[0].model_dump() | {"seen": 3, "fired": 1},
            rules[1].model_dump() | {"seen": 2, "fired": 1},
            rules[2].model_dump() | {"seen": 0, "fired": 0},
        ],
        "fired": {"error": 1, "throttle": 1},
    }


class Hesitant(Faults):
    """Lets other threads run between counting and deciding."""

    def _spared(self, position, number):
        time.sleep(0)
        return super()._spared(position, number)


def test_threads_share_the_count():
    faults = Hesitant([rule(count=500)])
    hits = []

    def ask():
        hits.extend(fired(faults, 1000))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [told] = faults.as_document()["rules"]
    assert (told["seen"], told["fired"], len(hits)) == (4000, 500, 500)


def read(*rules, **rest):
    return Faults.read(json.dumps({"rules": rules} | rest))


def test_rules_are_read_from_json():
    told = [rule(rate=0.5).model_dump(), rule(mode="delay", seconds=2).model_dump()]

    assert [each.model_dump() for each in read(*told, seed=5).rules] == told
    assert read(*told, seed=5).seed == 5


RULE = {"operation": "sqs.ReceiveMessage", "mode": "error"}


@pytest.mark.parametrize(
    ("changes", "where", "known"),
    [
        ({"mode": "explode"}, "rules.0.mode: unknown mode 'explode'", sorted(MODES)),
        (
            {"operation": "sqs.Recieve"},
            "rules.0.operation: unknown operation 'sqs.Recieve'",
            ["ReceiveMessage", "DeleteMessageBatch"],
        ),
        (
            {"operation": "s3.GetObject"},
            "rules.0.operation: unknown operation 's3.GetObject'",
            ["*", "dynamodb.*", "ses.*", "sns.*", "sqs.*"],
        ),
        ({"operation": "sqs.receivemessage"}, "rules.0.operation", ["ReceiveMessage"]),
        ({"operation": ""}, "rules.0.operation: unknown operation ''", ["sqs.*"]),
        ({"mode": "partial"}, "rules.0: mode partial cannot affect", ["sqs.DeleteMessageBatch"]),
        ({"mode": "conflict", "operation": "sqs.*"}, "rules.0", ["dynamodb.UpdateItem"]),
        ({"count": -1}, "rules.0.count", ["greater than or equal to 0"]),
        ({"skip": -1}, "rules.0.skip", ["greater than or equal to 0"]),
        ({"count": "3"}, "rules.0.count", ["integer"]),
        ({"rate": 0}, "rules.0.rate", ["greater than 0"]),
        ({"rate": 1.5}, "rules.0.rate", ["less than or equal to 1"]),
        ({"seconds": 3}, "rules.0: mode delay needs seconds above 0", []),
        ({"mode": "delay"}, "rules.0: mode delay needs seconds above 0", []),
        ({"tiems": 3}, "rules.0.tiems", ["operation", "mode", "match", "skip", "count", "rate"]),
    ],
)
def test_an_invalid_rule_is_refused_with_the_known_values(changes, where, known):
    with pytest.raises(ValueError, match=r"^rules\.0") as refused:
        read(RULE | changes)

    text = str(refused.value)
    assert text.startswith(where)
    assert all(each in text for each in known)
    assert "pydantic" not in text


def test_a_rule_needs_a_mode():
    with pytest.raises(ValueError, match=r"rules\.1\.mode: Field required"):
        read(RULE, {"operation": "sqs.*"})


@pytest.mark.parametrize("text", ["", "[]", "{", '{"rules": 3}', '{"rules": [], "sede": 3}'])
def test_anything_but_a_list_of_rules_is_refused(text):
    with pytest.raises(ValueError, match=r"faults|rules|sede"):
        Faults.read(text)
