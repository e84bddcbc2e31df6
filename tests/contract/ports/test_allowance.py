"""Every ``Allowance`` behaves like this; the one on DynamoDB is exact for a fleet."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from workers.aws.mail_allowance import HOUR, MailAllowance, key_of
from workers.services.notification import MAILS_PER_HOUR

ADA = "ada@example.com"
NOON = 1_750_000_000.0


def test_a_recipient_gets_so_many_mails_and_no_more(allowance):
    answers = [allowance.take(ADA, f"mail-{number}") for number in range(MAILS_PER_HOUR + 2)]

    assert answers == [True] * MAILS_PER_HOUR + [False] * 2
    assert allowance.take("bob@example.com", "mail-1")


def test_a_redelivered_mail_is_counted_once_and_still_allowed(allowance):
    for _ in range(3):
        assert all(allowance.take(ADA, f"mail-{number}") for number in range(MAILS_PER_HOUR))

    assert not allowance.take(ADA, "another")


@pytest.mark.integration
def test_forty_workers_send_exactly_the_limit(dynamodb, table):
    fleet = [MailAllowance(dynamodb, table, lambda: NOON) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: fleet[n % 40].take(ADA, f"mail-{n}"), range(80)))

    assert answers.count(True) == MAILS_PER_HOUR
    withheld = sum(each.withheld.collect()[0].samples[0].value for each in fleet)
    assert withheld == 80 - MAILS_PER_HOUR


@pytest.mark.integration
def test_the_next_hour_starts_anew_and_rows_expire(dynamodb, table):
    now = NOON
    allowance = MailAllowance(dynamodb, table, lambda: now)
    for number in range(MAILS_PER_HOUR + 1):
        allowance.take(ADA, f"mail-{number}")
    now += HOUR

    assert allowance.take(ADA, "mail-x")
    rows = dynamodb.scan(TableName=table)["Items"]
    hours = {int(row["pk"]["S"].rpartition("#")[2]) for row in rows}
    assert hours == {int(NOON) // HOUR, int(NOON) // HOUR + 1}
    assert {int(r["expires"]["N"]) - int(r["pk"]["S"].rpartition("#")[2]) * HOUR for r in rows} == {
        2 * HOUR
    }


@pytest.mark.integration
def test_neither_the_row_nor_the_log_has_the_address(dynamodb, table):
    allowance = MailAllowance(dynamodb, table, lambda: NOON)
    with capture_logs() as lines:
        for number in range(MAILS_PER_HOUR + 1):
            allowance.take(ADA, f"mail-{number}")

    assert [line["event"] for line in lines] == ["mail.withheld"]
    assert "ada" not in f"{lines} {dynamodb.scan(TableName=table)['Items']}".lower()


@pytest.mark.parametrize(
    "other", ["Ada@Example.com", "ada+news@example.com", "ADA+x+y@example.COM"]
)
def test_case_and_tags_make_no_other_recipient(other):
    assert key_of(other, 1) == key_of(ADA, 1)
    assert key_of("+a@example.com", 1) != key_of("+b@example.com", 1)
    assert key_of("adam@example.com", 1) != key_of(ADA, 1)
