"""Orders through what Terraform made: tasks from their definitions, under their own roles."""

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


def test_no_role_lacks_a_right(stories):
    assert rights.refused(stories.rights) == []


@pytest.mark.parametrize("service", Topology.load().services)
def test_no_role_has_a_right_that_it_does_not_use(applied, stories, service):
    roles = applied.outputs["services"][service]
    task = roles["task_role_arn"].rpartition("/")[2]
    assert rights.never_used(task, stories.rights) == []


@pytest.mark.parametrize("service", Topology.load().services)
def test_ecs_has_no_right_that_it_does_not_use(deployed, stories, service):
    [task, *_] = deployed.processes.of(service)
    role = task.container.task["executionRoleArn"].rpartition("/")[2]
    assert rights.never_used(role, stories.rights) == []
