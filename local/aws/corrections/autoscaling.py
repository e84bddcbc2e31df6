"""Where moto's Application Auto Scaling behaves unlike AWS: tags, and what is not there."""

import json
from typing import Final

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import ApplicationAutoscalingBackend
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Response
from moto.core.exceptions import JsonRESTError

from local.aws.patch import Method, around

# By the ARN of a scalable target.
_TAGS: Final[dict[str, dict[str, str]]] = {}


def correct() -> None:
    """Apply the corrections of this module."""
    _miss_what_is_gone()
    _keep_tags()


def _miss_what_is_gone() -> None:
    """Say ObjectNotFoundException when what is not there is to be deleted.

    A client that repeats a delete whose answer got lost takes that for done.
    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeregisterScalableTarget.html
    """
    for operation in ("deregister_scalable_target", "delete_scaling_policy"):

        @around(ApplicationAutoscalingBackend, operation)
        def delete(
            original: Method, backend: ApplicationAutoscalingBackend, *args: str, **named: str
        ) -> None:
            try:
                original(backend, *args, **named)
            except AWSValidationException as absent:
                raise JsonRESTError("ObjectNotFoundException", absent.message) from absent


def _keep_tags() -> None:
    """Keep the tags of a scalable target, and answer TagResource and its relatives.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_ListTagsForResource.html
    """

    @around(Response, "register_scalable_target")
    def register(original: Method, request: Response) -> str:
        answer: str = original(request)
        tags = request._get_param("Tags", {})  # noqa: SLF001 - moto's reader
        _TAGS.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(tags)
        return answer

    @around(ApplicationAutoscalingBackend, "deregister_scalable_target")
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
