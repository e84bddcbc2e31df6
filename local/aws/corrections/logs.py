"""Adds the saved queries of Logs Insights to moto's CloudWatch Logs, which has none."""
# ruff: noqa: SLF001 - a patch reaches into what it patches

import json
import time
from collections import defaultdict
from typing import Any, Final
from uuid import uuid4

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse as Response

# Definitions by ID, by region.
_SAVED: Final[dict[str, dict[str, dict[str, Any]]]] = defaultdict(dict)


def correct() -> None:
    """Apply the correction of this module."""
    for patch in (put_query_definition, describe_query_definitions, delete_query_definition):
        setattr(Response, patch.__name__, patch)


def put_query_definition(request: Response) -> str:
    """Save a new query, or replace the one with this ID.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
    """
    saved, read = _SAVED[request.region], request._get_param
    identity = read("queryDefinitionId") or str(uuid4())
    if read("queryDefinitionId") and identity not in saved:
        raise ResourceNotFoundException
    saved[identity] = {
        "queryDefinitionId": identity,
        "name": read("name"),
        "queryString": read("queryString"),
        "logGroupNames": read("logGroupNames", []),
        "lastModified": int(time.time() * 1_000),
    }
    return json.dumps({"queryDefinitionId": identity})


def describe_query_definitions(request: Response) -> str:
    """List the queries whose names start with a prefix, on one page.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeQueryDefinitions.html
    """
    prefix = request._get_param("queryDefinitionNamePrefix", "")
    found = [q for q in _SAVED[request.region].values() if q["name"].startswith(prefix)]
    return json.dumps({"queryDefinitions": found})


def delete_query_definition(request: Response) -> str:
    """Delete a query.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteQueryDefinition.html
    """
    saved, identity = _SAVED[request.region], request._get_param("queryDefinitionId")
    if identity not in saved:
        raise ResourceNotFoundException
    del saved[identity]
    return json.dumps({"success": True})
