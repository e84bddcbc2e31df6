"""Corrects moto's Application Auto Scaling: tags, and deleting what does not exist."""

import json
from typing import Final

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import ApplicationAutoscalingBackend
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Response
from moto.core.exceptions import JsonRESTError

from local.aws.patch import Method, wrap

# Tags of each scalable target, by its ARN.
_TAGS: Final[dict[str, dict[str, str]]] = {}


def correct() -> None:
    """Apply the corrections of this module."""
    _report_missing_objects()
    _keep_tags()


def _report_missing_objects() -> None:
    """Answer ObjectNotFoundException to a delete of something that does not exist.

    A client that repeats a delete because it lost the answer takes this error as success.
    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeregisterScalableTarget.html
    """
    for operation in ("deregister_scalable_target", "delete_scaling_policy"):

        @wrap(ApplicationAutoscalingBackend, operation)
        def delete(
            original: Method, backend: ApplicationAutoscalingBackend, *args: str, **named: str
        ) -> None:
            try:
                original(backend, *args, **named)
            except AWSValidationException as absent:
                raise JsonRESTError("ObjectNotFoundException", absent.message) from absent


def _keep_tags() -> None:
    """Store the tags of a scalable target and answer the three tagging operations.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_ListTagsForResource.html
    """

    @wrap(Response, "register_scalable_target")
    def register(original: Method, request: Response) -> str:
        answer: str = original(request)
        tags = request._get_param("Tags", {})  # noqa: SLF001 - moto's reader
        _TAGS.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(tags)
        return answer

    @wrap(ApplicationAutoscalingBackend, "deregister_scalable_target")
    def deregister(original: Method, backend: ApplicationAutoscalingBackend, *target: str) -> None:
        namespace, resource, dimension = target
        found = backend.describe_scalable_targets(namespace, [resource], dimension)
        original(backend, *target)
        for each in found:
            _TAGS.pop(each.arn, None)

    def list_tags(request: Response) -> str:
        return json.dumps({"Tags": _TAGS.get(_arn(request), {})})

    def tag(request: Response) -> str:
        _TAGS.setdefault(_arn(request), {}).update(request._get_param("Tags"))  # noqa: SLF001 - moto's reader
        return "{}"

    def untag(request: Response) -> str:
        for key in request._get_param("TagKeys"):  # noqa: SLF001 - moto's reader
            _TAGS.get(_arn(request), {}).pop(key, None)
        return "{}"

    for name, method in {
        "list_tags_for_resource": list_tags,
        "tag_resource": tag,
        "untag_resource": untag,
    }.items():
        setattr(Response, name, method)


def _arn(request: Response) -> str:
    arn: str = request._get_param("ResourceARN")  # noqa: SLF001 - moto's reader
    return arn
