"""Where moto's ECS behaves unlike ECS: it forgets what a service was made with."""
# ruff: noqa: SLF001 - a patch reaches into what it patches

import time
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ecs.models import Service
from moto.ecs.responses import EC2ContainerServiceResponse as Response

from local.aws.patch import Method, around

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
    _keep_what_a_service_was_made_with()
    _protect_tasks()


def _keep_what_a_service_was_made_with() -> None:
    """Return from DescribeServices what CreateService and UpdateService were given.

    A service with a capacity provider strategy has no launch type, and its task definition is
    an ARN, however it was named.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html
    """
    for name in _FORGOTTEN:
        setattr(Service, name, None)

    for operation in ("create_service", "update_service"):

        @around(Response, operation)
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
    """Answer UpdateTaskProtection. What is protected is not kept: nothing scales in here.

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
