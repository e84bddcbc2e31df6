"""Corrects moto's S3, which ignores the conditions of bucket policies."""

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from local.aws.iam.access import TRANSPORT
from local.aws.iam.statements import Call, statements_in, verdict
from local.aws.patch import Method, wrap


def correct() -> None:
    """Apply the correction of this module."""
    _respect_conditions()


def _respect_conditions() -> None:
    """Let a bucket policy deny only what its conditions say.

    moto denies every caller what a statement denies plaintext only. The caller here is the owner of
    the account, whom a policy can deny but does not need to allow.
    """

    @wrap(FakeBucket, "get_permission")
    def permission(_: Method, bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
        if bucket.policy is None:
            return PermissionResult.NEUTRAL
        owner = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:root"
        call = Call(action, resource, owner, dict(TRANSPORT))
        match verdict(call, resource=statements_in(bucket.policy.decode())):
            case "denied":
                return PermissionResult.DENIED
            case "allowed":
                return PermissionResult.PERMITTED
            case _:
                return PermissionResult.NEUTRAL
