"""The simulated services follow a load, and lose nothing."""

import math
from dataclasses import replace

import pytest

from local.capacity.deployment import Deployment
from local.capacity.fleet import Fleet
from local.capacity.journey import Journey
from local.capacity.plan import plan, tasks_for
from local.capacity.quotas import Limits, Load, load_quotas
from local.capacity.scenarios import Shape, raised, simulate
from local.capacity.tasks import Assumptions

PROD = Deployment.load("prod")
SPIKE = Shape(20, 800, before=600, ramp=300, hold=600, after=3_000)


@pytest.fixture(scope="module")
def spike():
    return simulate(raised(PROD), SPIKE)


def test_an_order_is_twelve_messages():
    journey = Journey.load()

    assert journey.messages == {
        "orders": 2,
        "payment": 1,
        "inventory": 1,
        "notification": 4,
        "analytics": 4,
    }
    assert journey.ratio("order.confirmed") == 0.5


def test_a_spike_is_followed_and_drained(spike):
    before, peak = spike.minutes[8].tasks, spike.peak_tasks
    assert [name for name in spike.p99 if peak[name] <= before[name]] == []
    assert set(spike.waiting.values()) == {0}


def test_every_message_of_an_accepted_order_is_handled(spike):
    handled = {
        name: sum(minute.handled[name] for minute in spike.minutes) for name in spike.waiting
    }

    for name, messages in Journey.load().messages.items():
        assert handled[name] == pytest.approx(messages * spike.accepted, rel=0.01)


def test_scaling_never_leaves_fewer_tasks_than_the_minimum():
    shape = Shape(50, 50, before=600, hold=0, after=4_200)
    outcome = simulate(PROD, shape, assumptions=Assumptions(interruptions=0))

    fewest = {name: min(minute.tasks[name] for minute in outcome.minutes) for name in PROD.services}
    assert [name for name, each in PROD.services.items() if fewest[name] < each.min] == []
    assert fewest["orders"] == PROD.services["orders"].min


def test_the_same_seed_gives_the_same_run():
    short = Shape(20, 100, before=300, ramp=60, hold=300, after=300)
    first, second, other = (simulate(PROD, short, seed=seed) for seed in (1, 1, 2))

    assert first == second
    assert first != other


def test_api_rate_refuses_what_is_above_it():
    outcome = simulate(replace(PROD, api_rate=10), Shape(20, 20, before=600, hold=0, after=60))

    assert outcome.accepted / outcome.offered == pytest.approx(0.5, rel=0.05)
    assert outcome.broken[0][1].quota.id in {"api_rate", "fargate-vcpu", "stripe-endpoint"}


def test_messages_for_a_service_without_tasks_wake_it():
    staging = Deployment.load("staging")
    fleet = Fleet(staging)
    assert fleet.tasks["analytics"].running == 0

    fleet.run(lambda _: 1.0, 900)
    assert fleet.tasks["analytics"].running > 0
    assert fleet.stations["analytics"].handled > 0


def test_single_orders_are_confirmed_too():
    fleet = Fleet(PROD)
    fleet.run(lambda _: 0.5, 600)

    assert fleet.accepted > 200
    for name, messages in fleet.journey.messages.items():
        assert fleet.stations[name].arrived == pytest.approx(messages * fleet.accepted, abs=12)


def test_more_orders_never_need_fewer_tasks():
    needed = [tasks_for(PROD, rate) for rate in (0.1, 1, 10, 50, 200, 1_000, 10_000)]

    for name in PROD.services:
        counts = [each[name] for each in needed]
        assert counts == sorted(counts)
        assert counts[0] >= PROD.services[name].min


def test_a_limit_is_reached_where_the_plan_says():
    found = plan(PROD, 100, 1_000, region="eu-west-1").reached

    assert found["fargate-vcpu"] == 0  # the minimum of tasks is more than a new account has
    assert found["relay: max"] == math.inf  # it idles
    for name in ("ses-rate", "stripe", "fargate-spot-vcpu", "sns-publish", "notification: max"):
        rate = found[name]
        peak = plan(PROD, rate, rate, region="eu-west-1").peak
        [use] = [each for each in peak if each.quota.id == name]
        assert use.share == pytest.approx(1, rel=0.1)


def test_more_orders_cost_more():
    costs = [plan(PROD, rate, rate, region="eu-west-1").dollars for rate in (1, 10, 100, 1_000)]

    assert costs == sorted(costs)
    assert costs[0] > 500  # the minimum of tasks


@pytest.mark.parametrize(
    ("average", "peak", "problem"),
    [
        (0, 10, "orders-per-second must be"),
        (float("nan"), 10, "orders-per-second must be"),
        (1, float("inf"), "peak must be a number"),
        (10, 5, "peak must be at least"),
    ],
)
def test_impossible_rates_are_refused(average, peak, problem):
    with pytest.raises(ValueError, match=problem):
        plan(PROD, average, peak, region="eu-west-1")


def test_every_quota_names_the_page_that_states_it():
    quotas = load_quotas("eu-west-1")

    assert len(quotas) > 10
    for quota in quotas.values():
        assert quota.source.startswith(("https://docs.aws.amazon.com/", "https://docs.stripe.com/"))
        assert quota.name
        assert quota.scope
        assert quota.note


def test_every_quota_is_compared_with_a_load():
    load = Load(
        10,
        10,
        dict.fromkeys(Journey.load().messages, 10.0),
        dict.fromkeys(Journey.load().messages, 1.0),
        dict.fromkeys(PROD.services, 1),
    )
    compared = {use.quota.id for use in Limits(PROD, "eu-west-1").uses(load)}

    # Fargate's launches slow the simulation, which has no rate of launches to compare.
    assert set(load_quotas("eu-west-1")) - {"fargate-launches"} <= compared
    assert "payment: max" in compared


def test_a_quota_may_differ_between_regions():
    ireland, virginia = (load_quotas(name)["sns-publish"] for name in ("eu-west-1", "us-east-1"))

    assert (ireland.limit, virginia.limit) == (9_000, 30_000)


def test_a_table_takes_twice_its_previous_peak():
    load = Load(100, 100, {"orders": 200.0}, {"orders": 1.0}, {"orders": 1})
    limits = Limits(PROD, "eu-west-1", previous={"orders": 5_000.0})

    [use] = [each for each in limits.uses(load) if each.quota.id == "dynamodb-peak"]
    assert use.quota.limit == 10_000
    assert use.needed == pytest.approx(100 * 9 + 200 * 4)
