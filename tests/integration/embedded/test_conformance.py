"""The embedded AWS compares requests with the services' models once a test asks it to."""

import boto3
import pytest
from botocore.config import Config

from local.aws.embedded import EmbeddedAws

pytestmark = pytest.mark.integration

TOO_LONG = "r" * 65


@pytest.fixture
def own():
    """Start an embedded AWS whose requests are all this test's."""
    with EmbeddedAws() as embedded:
        yield embedded


def create_role(embedded, name):
    unchecked = Config(parameter_validation=False, region_name="eu-west-1")
    iam = boto3.client(
        "iam",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=unchecked,
        endpoint_url=embedded.url,
    )
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")


def test_a_forbidden_request_is_listed_although_it_is_answered(own):
    own.check_requests()
    create_role(own, "worker")
    assert own.violations() == []

    create_role(own, TOO_LONG)

    [violation] = own.violations()
    assert violation == {
        "service": "iam",
        "operation": "CreateRole",
        "resource": f"RoleName={TOO_LONG}",
        "member": "RoleName",
        "message": "its length 65 is above the maximum of 64",
        "count": 1,
    }


def test_violations_are_not_reported_as_none_before_requests_are_compared(own):
    create_role(own, TOO_LONG)

    with pytest.raises(RuntimeError, match="check_requests"):
        own.violations()
