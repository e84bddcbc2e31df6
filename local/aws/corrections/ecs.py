"""Corrects moto's ECS: it drops service parameters and has no task protection."""
# ruff: noqa: SLF001 - a patch reaches into what it patches

import time
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ecs.models import Service
from moto.ecs.responses import EC2ContainerServiceResponse as Response

from local.aws.patch import Method, wrap

_FORGOTTEN: Final = (
    "availabilityZoneRebalancing",
    "capacityProviderStrategy",
    "deploymentConfiguration",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
)
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateTaskProtection.html
_DEFAULT_PROTECTION: Final = 120  # minutes


def correct() -> None:
    """Apply the corrections of this module."""
    _keep_service_parameters()
    _protect_tasks()


def _keep_service_parameters() -> None:
    """Return from DescribeServices the parameters of CreateService and UpdateService.

    A service with a capacity provider strategy has no launch type. Its task definition is always
    an ARN, even if the request named a family.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html
    """
    for name in _FORGOTTEN:
        setattr(Service, name, None)

    for operation in ("create_service", "update_service"):

        @wrap(Response, operation)
        def change(original: Method, request: Response) -> ActionResult:
            given = request._get_params()
            answer: ActionResult = original(request)
            _keep(answer.result["service"], given)  # type: ignore[index]
            return answer


def _keep(service: Service, given: dict[str, Any]) -> None:
    for name in _FORGOTTEN:
        if given.get(name) is not None:
            setattr(service, name, given[name])
    if strategy := given.get("capacityProviderStrategy"):
        service.launch_type = None
        for deployment in service.deployments:
            deployment |= {"launchType": None, "capacityProviderStrategy": strategy}
    if definition := given.get("taskDefinition"):
        service.task_definition = service._backend.describe_task_definition(definition).arn


def _protect_tasks() -> None:
    """Answer UpdateTaskProtection. The state is not stored because nothing scales in here.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateTaskProtection.html
    """

    def update(request: Response) -> ActionResult:
        enabled = request._get_param("protectionEnabled")
        minutes = request._get_param("expiresInMinutes", _DEFAULT_PROTECTION)
        until = {"expirationDate": time.time() + 60 * minutes} if enabled else {}
        tasks = request._get_param("tasks")
        protected = [{"taskArn": task, "protectionEnabled": enabled} | until for task in tasks]
        return ActionResult({"protectedTasks": protected, "failures": []})

    setattr(Response, "update_task_protection", update)  # noqa: B010 - moto declares no such method
