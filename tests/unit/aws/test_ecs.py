"""The task of a worker, by the address of its ECS agent."""

import pytest

from workers.aws.ecs import task_of

TASK = "cd189a933e5849daa93386466019ab50"


@pytest.mark.parametrize(
    ("address", "task"),
    [
        (f"http://169.254.170.2/api/{TASK}-2495160603", TASK),
        (f"http://169.254.170.2/api/{TASK}-2495160603/", TASK),
        ("http://169.254.170.2/api/1c5e0e2f-2b1c-4d5e-9f5a-0d6b35a3a1c0", ""),
        ("http://127.0.0.1:37165", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_names_the_task_on_fargate(address, task):
    assert task_of(address) == task
