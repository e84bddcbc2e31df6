"""The DynamoDB stand-in of LocalStack finds its corrections in the folders that are mounted."""

import ast
from pathlib import Path

import yaml

STANDIN = Path(__file__).parents[1] / "containers/standin"
PROJECT = {"local", "workers"}


def test_the_standin_imports_only_mounted_packages():
    program = ast.parse((STANDIN / "dynamodb.py").read_text("utf-8"))
    imported = {
        node.module.partition(".")[0]
        for node in ast.walk(program)
        if isinstance(node, ast.ImportFrom)
    }
    compose = yaml.safe_load((STANDIN / "docker-compose.yml").read_text("utf-8"))
    volumes = compose["services"]["localstack"]["volumes"]
    mounted = {volume.split(":")[1] for volume in volumes}

    assert {f"/corrections/{package}" for package in imported & PROJECT} <= mounted
    assert imported & PROJECT
