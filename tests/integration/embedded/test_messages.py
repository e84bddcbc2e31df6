"""SQS refuses invalid messages and batches."""

import pytest
from support.aws_calls import attributes, bodies, code_of, entries

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\ufffe", "\uffff"])
def test_characters_outside_xml_are_refused(sqs, queue, character):
    assert (
        code_of(sqs.send_message, QueueUrl=queue, MessageBody=f"a{character}")
        == "InvalidMessageContents"
    )
    sqs.send_message(QueueUrl=queue, MessageBody="\t\n\r \ud7ff\ue000\ufffd\U0001f600")


def test_a_refused_message_fails_its_own_entry_only(sqs, queue):
    reply = sqs.send_message_batch(
        QueueUrl=queue, Entries=entries("fine", "bell\x07", "x" * 1_048_577)
    )
    assert [sent["Id"] for sent in reply["Successful"]] == ["0"]
    assert [(failed["Id"], failed["Code"]) for failed in reply["Failed"]] == [
        ("1", "InvalidMessageContents"),
        ("2", "InvalidParameterValue"),
    ]
    assert bodies(sqs, queue) == ["fine"]


def test_an_empty_body_is_refused(sqs, queue):
    assert code_of(sqs.send_message, QueueUrl=queue, MessageBody="") == "MissingParameter"
    assert (
        code_of(sqs.send_message_batch, QueueUrl=queue, Entries=entries("a", ""))
        == "MissingParameter"
    )


def test_attributes_count_towards_the_size_of_a_message(sqs, queue):
    body = "x" * (1_048_576 - len("nStringv"))
    one = {"n": {"DataType": "String", "StringValue": "v"}}
    sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=one)
    assert (
        code_of(sqs.send_message, QueueUrl=queue, MessageBody=body + "x", MessageAttributes=one)
        == "InvalidParameterValue"
    )


def test_a_message_has_at_most_ten_attributes(sqs, queue):
    assert (
        code_of(
            sqs.send_message,
            QueueUrl=queue,
            MessageBody="a",
            MessageAttributes=attributes(11),
        )
        == "InvalidParameterValue"
    )


def test_a_batch_over_one_mebibyte_is_refused(sqs, queue):
    assert (
        code_of(
            sqs.send_message_batch,
            QueueUrl=queue,
            Entries=entries("x" * 600_000, "é" * 300_000),
        )
        == "BatchRequestTooLong"
    )


def test_eleven_entries_are_refused(sqs, queue):
    assert (
        code_of(sqs.send_message_batch, QueueUrl=queue, Entries=entries(*"abcdefghijk"))
        == "TooManyEntriesInBatchRequest"
    )


@pytest.mark.parametrize("entry_id", ["urn:a", "a b", "é", "x" * 81, "a\n"])
def test_an_entry_id_has_letters_digits_hyphens_and_underscores(sqs, queue, entry_id):
    handle = {"Id": entry_id, "ReceiptHandle": "h"}
    for call, entry in (
        (sqs.send_message_batch, {"Id": entry_id, "MessageBody": "a"}),
        (sqs.delete_message_batch, handle),
        (sqs.change_message_visibility_batch, {**handle, "VisibilityTimeout": 1}),
    ):
        assert code_of(call, QueueUrl=queue, Entries=[entry]) == "InvalidBatchEntryId"
