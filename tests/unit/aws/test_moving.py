"""Messages sent on to a FIFO queue keep the order of their groups, whatever SQS refuses."""

import random
from dataclasses import replace

import pytest

from workers.aws.dead_letters import Peeked, oldest_first
from workers.aws.moving import send

FIFO = "https://sqs.eu-west-1.amazonaws.com/123456789012/payment-queue.fifo"
STANDARD = "https://sqs.eu-west-1.amazonaws.com/123456789012/payment-queue"


def letter(group, number):
    return Peeked(
        f"{group}-{number}", "{}", {}, "handle", 1, float(number), {}, group, f"{number:020}"
    )


LETTERS = [letter(f"order-{n % 3}", n) for n in range(10)]


class Sqs:
    """Accepts an entry, refuses it, or does not mention it in its answer."""

    def __init__(self, refuses):
        self.refuses = refuses
        self.accepted = []
        self.requests = []

    def send_message_batch(self, QueueUrl, Entries):  # noqa: N803 - as SQS calls them
        assert QueueUrl in {FIFO, STANDARD}
        self.requests.append([entry.get("MessageGroupId") for entry in Entries])
        answer = {"Successful": [], "Failed": []}
        for entry in Entries:
            match self.refuses(entry):
                case "":
                    self.accepted.append(entry.get("MessageDeduplicationId"))
                    answer["Successful"].append({"Id": entry["Id"], "MessageId": "copy"})
                case "silent":
                    continue
                case code:
                    answer["Failed"].append({"Id": entry["Id"], "Code": code})
        return answer


@pytest.mark.parametrize("seed", range(50))
def test_a_group_is_sent_in_order_up_to_what_is_refused(seed):
    dice = random.Random(seed)  # noqa: S311 - a test that repeats
    sqs = Sqs(lambda _: dice.choice(["", "", "", "ServiceUnavailable", "InternalError", "silent"]))

    copies, refused = send(sqs, FIFO, LETTERS)

    for group in ("order-0", "order-1", "order-2"):
        meant = [each.id for each in LETTERS if each.group == group]
        sent = [each for each in sqs.accepted if each in meant]
        assert sent == meant[: len(sent)]
        assert sent == [each for each in meant if each in copies]
    assert bool(refused) == (len(copies) < len(LETTERS))
    assert all(len(set(groups)) == len(groups) for groups in sqs.requests)


def test_a_refused_group_does_not_stop_the_others():
    sqs = Sqs(lambda entry: "InternalError" if entry["MessageGroupId"] == "order-1" else "")

    copies, refused = send(sqs, FIFO, LETTERS)

    assert set(copies) == {each.id for each in LETTERS if each.group != "order-1"}
    assert refused == {"InternalError"}


def test_a_standard_queue_gets_all_in_one_request():
    sqs = Sqs(lambda _: "")

    copies, refused = send(sqs, STANDARD, LETTERS)

    assert (len(sqs.requests), len(copies), refused) == (1, 10, set())


def test_an_entry_that_no_answer_mentions_was_not_sent():
    sqs = Sqs(lambda entry: "silent" if entry["MessageBody"] == "lost" else "")

    copies, refused = send(sqs, STANDARD, [replace(LETTERS[0], body="lost"), *LETTERS[1:]])

    assert (len(copies), refused) == (9, {"NotMentioned"})


def test_the_sequence_of_a_group_counts_and_not_its_times():
    early, late, last = (letter("order-1", n) for n in range(3))
    slow = replace(early, sent_at=1.5)  # a server of SQS whose clock is ahead
    other = letter("order-2", 1)

    assert oldest_first([last, other, late, slow]) == [other, slow, late, last]


def test_messages_of_a_standard_queue_are_sorted_by_time():
    messages = [replace(each, group="", sequence="") for each in LETTERS]

    assert oldest_first(reversed(messages)) == messages
