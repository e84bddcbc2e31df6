"""Corrects moto's Cognito, which cannot delete a resource server."""

from moto.cognitoidp.responses import CognitoIdpResponse as Response
from moto.core.responses import ActionResult, EmptyResult


def correct() -> None:
    """Apply the correction of this module."""
    _delete_resource_servers()


def _delete_resource_servers() -> None:
    """Delete a resource server, or answer that it does not exist.

    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_DeleteResourceServer.html
    """

    def delete(request: Response) -> ActionResult:
        pool = request._get_param("UserPoolId")  # noqa: SLF001 - moto's reader
        identifier = request._get_param("Identifier")  # noqa: SLF001 - moto's reader
        request.backend.describe_resource_server(pool, identifier)
        del request.backend.describe_user_pool(pool).resource_servers[identifier]
        return EmptyResult()

    setattr(Response, "delete_resource_server", delete)  # noqa: B010 - moto declares no such method
