"""Corrects moto's Athena, which cannot delete a named query."""

import json

from moto.athena.responses import AthenaResponse as Response


def correct() -> None:
    """Apply the correction of this module."""
    _delete_named_queries()


def _delete_named_queries() -> None:
    """Delete a named query, or answer that it does not exist.

    https://docs.aws.amazon.com/athena/latest/APIReference/API_DeleteNamedQuery.html
    """

    def delete(request: Response) -> object:
        query_id = request._get_param("NamedQueryId")  # noqa: SLF001 - moto's reader
        if request.athena_backend.named_queries.pop(query_id, None) is None:
            return request.error(f"NamedQuery {query_id} was not found", 400)
        return json.dumps({})

    setattr(Response, "delete_named_query", delete)  # noqa: B010 - moto declares no such method
