"""Policies are evaluated as AWS does."""

import pytest

from local.aws.iam.statements import Call, statements_of, verdict

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:payment-queue"
ROLE = "arn:aws:iam::123456789012:role/payment"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:order-events"
SEND = Call("sqs:SendMessage", QUEUE, ROLE)


def statement(effect="Allow", **elements):
    return {"Effect": effect, "Action": "sqs:SendMessage", "Resource": QUEUE} | elements


def test_a_call_without_a_matching_statement_is_not_allowed():
    assert verdict(SEND) == "not allowed"
    assert verdict(SEND, identity=[statement(Action="sqs:ReceiveMessage")]) == "not allowed"
    assert verdict(SEND, identity=[statement(Resource=f"{QUEUE}-dlq")]) == "not allowed"


@pytest.mark.parametrize("action", ["sqs:SendMessage", "SQS:sendmessage", "sqs:Send*", "*"])
def test_an_action_matches_case_insensitively_and_with_wildcards(action):
    assert verdict(SEND, identity=[statement(Action=["sqs:Purge*", action])]) == "allowed"


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ("*", "allowed"),
        ("arn:aws:sqs:*:123456789012:payment-*", "allowed"),
        ("arn:aws:sqs:eu-west-1:123456789012:payment-queu?", "allowed"),
        (QUEUE.upper(), "not allowed"),
        (QUEUE.replace("-", "."), "not allowed"),  # only * and ? are wildcards
    ],
)
def test_a_resource_matches_case_sensitively(resource, said):
    assert verdict(SEND, identity=[statement(Resource=resource)]) == said


def test_a_not_action_statement_matches_every_other_action():
    assert verdict(SEND, identity=[other("NotAction", "sqs:Receive*")]) == "allowed"
    assert verdict(SEND, identity=[other("NotAction", "sqs:Send*")]) == "not allowed"
    assert verdict(SEND, identity=[other("NotResource", QUEUE)]) == "not allowed"


def other(element, value):
    kept = statement()
    del kept[element.removeprefix("Not")]
    return kept | {element: value}


def test_an_explicit_deny_wins():
    allow, deny = statement(), statement("Deny", Action="*", Resource="*")
    assert verdict(SEND, identity=[allow, deny]) == "denied"
    assert verdict(SEND, identity=[allow], resource=[deny | {"Principal": "*"}]) == "denied"


def test_a_resource_policy_allows_the_principals_it_names():
    def said(principal):
        return verdict(SEND, resource=[statement(Principal=principal)])

    assert said({"AWS": [ROLE, "someone"]}) == said({"AWS": "*"}) == said("*") == "allowed"
    assert said({"AWS": ROLE + "-2"}) == said({"Service": "sns.amazonaws.com"}) == "not allowed"


@pytest.mark.parametrize("account", ["123456789012", "arn:aws:iam::123456789012:root"])
def test_naming_the_account_can_deny_but_not_allow(account):
    assert verdict(SEND, resource=[statement(Principal={"AWS": account})]) == "not allowed"
    deny = statement("Deny", Principal={"AWS": account})
    assert verdict(SEND, identity=[statement()], resource=[deny]) == "denied"


def test_a_service_is_a_principal_too():
    call = Call("sqs:SendMessage", QUEUE, "sns.amazonaws.com")
    assert verdict(call, resource=[statement(Principal={"Service": call.principal})]) == "allowed"
    assert verdict(call, resource=[statement(Principal={"AWS": ROLE})]) == "not allowed"


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "holds"),
    [
        ("ArnEquals", "aws:SourceArn", TOPIC, True),
        ("ArnLike", "aws:sourcearn", "arn:aws:sns:*:*:order-*", True),
        ("ArnEquals", "aws:SourceArn", QUEUE, False),
        ("ArnNotEquals", "aws:SourceArn", TOPIC, False),
        ("ArnNotEquals", "aws:SourceArn", [QUEUE, TOPIC], False),
        ("ArnNotEquals", "aws:PrincipalArn", ROLE, True),  # a key that is absent differs
        ("ArnEquals", "aws:PrincipalArn", ROLE, False),
        ("ArnEqualsIfExists", "aws:PrincipalArn", ROLE, True),
        ("ForAllValues:StringEquals", "aws:TagKeys", "a", True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", "a", False),
        ("Bool", "aws:SecureTransport", "true", True),
        ("Bool", "aws:SecureTransport", False, False),
        ("Null", "aws:SourceArn", "false", True),
        ("Null", "aws:SourceArn", True, False),
        ("Null", "aws:PrincipalArn", "true", True),
        ("StringEquals", "aws:SourceAccount", ["1", "123456789012"], True),
        ("StringEquals", "aws:SourceAccount", "1234*", False),
        ("StringLike", "aws:SourceAccount", "1234*", True),
        ("StringEqualsIgnoreCase", "aws:SecureTransport", "TRUE", True),
    ],
)
def test_a_condition_is_evaluated(operator, key, wanted, holds):
    context = {
        "aws:securetransport": "true",
        "aws:sourceaccount": "123456789012",
        "aws:sourcearn": TOPIC,
    }
    call = Call("sqs:SendMessage", QUEUE, context=context)
    policy = [statement(Condition={operator: {key: wanted}})]
    assert verdict(call, identity=policy) == ("allowed" if holds else "not allowed")


def test_every_condition_of_a_statement_must_hold():
    both = {"Null": {"aws:SourceArn": "true"}, "Bool": {"aws:SecureTransport": "true"}}
    assert verdict(SEND, identity=[statement(Condition=both)]) == "not allowed"


def test_an_unknown_operator_is_not_ignored():
    policy = [statement(Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}})]
    with pytest.raises(NotImplementedError, match="DateLessThan"):
        verdict(SEND, identity=policy)


def test_a_document_may_hold_one_statement_or_a_list():
    assert statements_of({"Statement": statement()}) == [statement()]
    assert statements_of({"Statement": [statement()]}) == [statement()]
