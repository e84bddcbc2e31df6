"""The embedded AWS keeps saved queries of Logs Insights."""

import pytest
from botocore.exceptions import ClientError
from support.aws_calls import client

pytestmark = pytest.mark.integration

QUERY = "stats count(*) by service"


@pytest.fixture
def logs(aws):
    assert aws.url
    return client("logs")


def saved(logs, prefix):
    answer = logs.describe_query_definitions(queryDefinitionNamePrefix=prefix)
    return {each["name"]: each["queryString"] for each in answer["queryDefinitions"]}


def test_a_query_is_saved_found_by_its_name_replaced_and_deleted(logs):
    put = logs.put_query_definition
    identity = put(name="dev/errors", queryString=QUERY, logGroupNames=["/ecs/payment"])
    put(name="prod/errors", queryString=QUERY)
    put(name="dev/slow", queryString="limit 1", **known(identity))

    assert saved(logs, "dev/") == {"dev/slow": "limit 1"}
    assert logs.delete_query_definition(**known(identity))["success"]
    assert saved(logs, "dev/") == {}


def test_an_unknown_query_is_neither_replaced_nor_deleted(logs):
    unknown = {"queryDefinitionId": "00000000-0000-0000-0000-000000000000"}
    for call in (
        lambda: logs.put_query_definition(name="x", queryString=QUERY, **unknown),
        lambda: logs.delete_query_definition(**unknown),
    ):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            call()


def known(answer):
    return {"queryDefinitionId": answer["queryDefinitionId"]}
