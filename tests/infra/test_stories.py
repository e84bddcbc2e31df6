"""Orders go through the applied configuration: tasks run from their definitions and roles."""

import pytest

from infra import rights
from workers.topology import Topology

EXECUTION = "execution"


def test_every_expectation_of_the_demo_holds(stories):
    assert [check for check in stories.result.checks if not check.held] == []


def test_two_tasks_share_the_work(stories):
    assert len(stories.handled) == 2
    assert all(count > 0 for count in stories.handled.values())


def test_each_task_passes_its_own_health_check(deployed):
    assert [task.child.name for task in deployed.processes.tasks if not task.healthy()] == []


def test_a_task_gets_the_secrets_that_its_definition_names(deployed):
    for task in deployed.processes.of("payment"):
        environment = task.child.environment
        assert (environment["GATEWAY_KEY"], environment["GATEWAY_URL"]) == ("key-1", "url-1")
    [other] = deployed.processes.of("inventory")
    assert "GATEWAY_KEY" not in other.child.environment


def test_no_role_lacks_a_permission(stories):
    assert rights.refused(stories.rights) == []


@pytest.mark.parametrize("service", Topology.load().services)
def test_no_role_has_an_unused_permission(applied, stories, service):
    roles = applied.outputs["services"][service]
    task = roles["task_role_arn"].rpartition("/")[2]
    assert rights.never_used(task, stories.rights) == []


@pytest.mark.parametrize("service", Topology.load().services)
def test_ecs_has_no_unused_permission(deployed, stories, service):
    [task, *_] = deployed.processes.of(service)
    role = task.container.task["executionRoleArn"].rpartition("/")[2]
    assert rights.never_used(role, stories.rights) == []
