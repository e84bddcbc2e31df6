"""Names the caller, for the audit."""

from typing import cast

from workers.aws.clients import Clients
from workers.aws.errors import translated


def caller(clients: Clients) -> str:
    """Return the ARN of the caller; that of an assumed role ends in the session's name.

    Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    Raises ``Unavailable`` if STS does not answer.
    """
    with translated("sts"):
        return cast("str", clients.sts().get_caller_identity()["Arn"])
