"""A worker that cannot start says why in one line, with an exit code for the kind of error."""

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
from support.stub import serving

import workers
from local.tcp_proxy import LOOPBACK

pytestmark = pytest.mark.process

FAILED, USAGE = 1, 2
WORKERS = (sys.executable, "-m", "workers")


def refused(start, world, *arguments, **changes):
    """Run to the end; return the exit code, the logged reason and standard error."""
    process = start((*WORKERS, *arguments), world.environment | changes)
    code = process.ends()
    reasons = [line["reason"] for line in process.lines("worker.cannot_start")]
    assert len(process.lines()) - len(process.lines("worker.starting")) == len(reasons)
    return code, *reasons, process.stderr


def missing(world, kind, prefix, name, setting):
    return (
        f"{kind} {prefix}{name} does not exist in account 123456789012, region eu-west-1, at "
        f"{world.aws.url} (NAME_PREFIX {prefix!r}); check AWS_PROFILE, AWS_REGION and NAME_PREFIX, "
        f"create it, or set {setting}"
    )


def test_a_missing_queue_is_named(world, start):
    world.sqs.delete_queue(QueueUrl=world.queue_url)
    code, reason, stderr = refused(start, world, "run", "payment")
    assert (code, stderr) == (FAILED, "")
    assert reason == missing(world, "queue", world.prefix, "payment-queue", "QUEUE_URL")


def test_a_missing_topic_is_named(world, start):
    code, reason, stderr = refused(start, world, "run", "payment", NAME_PREFIX="nobody-")
    assert (code, stderr) == (FAILED, "")
    assert reason == missing(world, "topic", "nobody-", "order-events", "TOPIC_ARN")


def test_a_missing_queue_in_a_setting_ends_the_worker_too(world, start):
    url = world.queue_url + "-gone"
    worker = start((*WORKERS, "run", "payment"), world.environment | {"QUEUE_URL": url})
    assert worker.ends() == FAILED
    assert "NonExistentQueue" in worker.lines("receive.failing")[0]["reason"]


def test_an_unknown_service_is_an_error_that_lists_the_services(world, start):
    code, stderr = refused(start, world, "run", "paiment")
    assert code == USAGE
    assert stderr == (
        "workers: no service 'paiment'. Services: "
        "order-api, relay, orders, payment, inventory, notification, analytics\n"
    )


def test_a_wrong_setting_is_named(world, start):
    code, stderr = refused(start, world, "run", "payment", CONCURRENCY="x", STOP_TIMEOUT="1")
    assert code == USAGE
    assert stderr.startswith("workers: CONCURRENCY: ")
    assert "; STOP_TIMEOUT: " in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"{", b'{"topic": "a"}', b"\xff", None])
def test_an_unreadable_map_is_a_usage_error(start, world, tmp_path, content):
    copy = tmp_path / "workers"
    shutil.copytree(Path(workers.__file__).parent, copy)
    (copy / "topology.json").unlink()
    if content is not None:
        (copy / "topology.json").write_bytes(content)
    code, stderr = refused(start, world, "run", "payment")  # in that folder
    assert code == USAGE
    assert stderr.startswith("workers: topology.json: ")
    assert stderr.count("\n") == 1


@pytest.fixture
def taken():
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield str(listener.getsockname()[1])


def test_a_health_port_in_use_is_named(world, start, taken):
    answer = refused(start, world, "run", "payment", METRICS_PORT=taken)
    assert answer == (FAILED, f"METRICS_PORT {taken}: Address already in use", "")


def test_an_order_api_port_in_use_is_named(aws, provisioned, start, taken):
    process = start(
        (*WORKERS, "run", "order-api"),
        aws.environment(os.environ)
        | {"METRICS_PORT": "0", "NAME_PREFIX": provisioned.name_prefix, "PORT": taken},
    )
    assert process.ends() == FAILED
    [line] = process.lines("worker.cannot_start")
    assert line["reason"].startswith(f"PORT {taken}: Address already in use")
    assert process.stderr == ""


# The health check of a container.


@pytest.fixture
def unreachable_aws():
    with serving() as server:
        return {"AWS_ENDPOINT_URL": server.url}


def checked(start, world, port, *options):
    process = start(
        (*WORKERS, "healthcheck", *options), world.environment | {"METRICS_PORT": str(port)}
    )
    return process.ends(), process.stderr


def test_a_running_worker_is_healthy(world, work, start):
    worker = work()
    port = worker.lines("worker.starting")[0]["metricsPort"]
    assert checked(start, world, port) == (0, "")


def test_a_worker_with_a_problem_is_not_healthy(world, start):
    with serving() as worker:
        worker.status, worker.body = 503, b'{"status":"failing"}'
        assert checked(start, world, worker.server_port) == (FAILED, "")


def test_a_worker_that_waits_for_aws_is_healthy_but_not_ready(world, start, unreachable_aws):
    worker = start((*WORKERS, "run", "payment"), world.environment | unreachable_aws)
    worker.says("aws.unreachable")
    port = worker.lines("worker.starting")[0]["metricsPort"]
    assert checked(start, world, port) == (0, "")
    assert checked(start, world, port, "--ready") == (FAILED, "")


def test_the_health_check_does_not_import_the_command_line(world, start):
    loaded = "import workers.__main__, sys; sys.exit(len({'pydantic', 'typer'} & set(sys.modules)))"
    assert start((sys.executable, "-c", loaded), world.environment).ends() == 0
    with serving() as worker:
        worker.status = 503
        command = (sys.executable, "-c", "from workers.cli import main; main()", "healthcheck")
        settings = world.environment | {"METRICS_PORT": str(worker.server_port)}
        assert start(command, settings).ends() == FAILED
        assert checked(start, world, worker.server_port)[0] == FAILED


def test_a_health_check_of_an_invalid_port_is_a_usage_error(world, start):
    code, stderr = checked(start, world, "x")
    assert (code, stderr.partition(":")[0]) == (USAGE, "workers")
    assert "METRICS_PORT" in stderr


def test_a_port_without_a_server_is_not_healthy(world, start):
    with serving() as worker:
        port = worker.server_port
    code, stderr = checked(start, world, port)
    assert code == FAILED
    assert stderr.startswith("workers: no answer: ConnectionRefusedError")


def test_a_server_that_does_not_speak_http_is_not_healthy(world, wire, start):
    wire.join()
    wire.spoil(b"HTTP/1.1", b"SMTP/1.1")
    code, stderr = checked(start, world, wire.url.rpartition(":")[2])
    assert code == FAILED
    assert stderr.startswith("workers: no answer: BadStatusLine")
