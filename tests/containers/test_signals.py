"""``docker stop`` stops a worker that is process 1 of a container cleanly."""

from support.composed import docker, timed
from support.eventually import eventually

INTERRUPTED = 75
GRACE = 12  # s until the engine kills; STOP_TIMEOUT is 6


def test_a_handler_is_finished_and_the_rest_handed_back(world, work):
    worker = work(CONCURRENCY="1")
    world.send(*(f"quick-{number}" for number in range(20)))  # fast enough to read ahead
    eventually(lambda: len(worker.lines("message.settled")) == 20, 30)
    world.send("slow-1", *(f"slow-{number}" for number in range(2, 12)))
    worker.says("handler.started", orderId="slow-1")

    assert timed(docker, "stop", f"--time={GRACE}", worker.id) < GRACE

    assert worker.ends() == 0
    done = [number for number in range(1, 12) if world.effects(f"slow-{number}")]
    assert 1 in done
    assert len(done) < 11
    eventually(lambda: (world.waiting, world.in_flight) == (11 - len(done), 0))
    assert world.dead == 0


def test_a_hung_handler_ends_within_the_grace_period(world, work):
    worker = work()
    world.send("wait-1", "quick-1")
    worker.says("handler.started", orderId="wait-1")
    worker.says("message.settled", orderId="quick-1")

    assert timed(docker, "stop", f"--time={GRACE}", worker.id) < GRACE

    assert worker.ends() == INTERRUPTED
    assert worker.lines("handler.interrupted")
    eventually(lambda: (world.waiting, world.in_flight) == (1, 0))


def test_an_idle_worker_ends_with_its_poll(work):
    worker = work()
    assert timed(docker, "stop", f"--time={GRACE}", worker.id) < 4  # the poll waits 1 s
    assert worker.ends() == 0


def test_a_worker_waits_until_aws_is_reachable(composed, world, run, image):
    """LocalStack gets the name in the worker's endpoint only later."""
    docker("network", "create", f"{composed.project}_late")
    try:
        network = f"{composed.project}_late"
        settings = world.environment | {"AWS_ENDPOINT_URL": "http://late:4566"}
        settings |= {"METRICS_PORT": "9090"}
        worker = run(image, "payment", network=network, **settings)
        worker.says("aws.unreachable")
        assert not worker.ready()
        assert docker("exec", worker.id, "workers", "healthcheck").returncode == 0

        localstack = composed.containers("localstack")[0]["Name"]
        docker("network", "connect", "--alias=late", network, localstack)
        eventually(worker.ready, 60)
        assert worker.lines("aws.reachable")

        docker("network", "disconnect", network, localstack)
        docker("rm", "-f", worker.id)
    finally:
        docker("network", "rm", "-f", f"{composed.project}_late", check=False)
