"""The comparison of the simulation with real workers."""

import pytest

from bench.capacity import BOUND, Comparison


def comparison(measured, simulated):
    return Comparison(2, measured, simulated, measured, simulated)


@pytest.mark.parametrize(
    ("simulated", "word"), [(8.4, "FAILED"), (8.6, "ok"), (11.4, "ok"), (11.6, "FAILED")]
)
def test_the_bound_holds_in_both_directions(simulated, word):
    assert comparison(10.0, simulated).line(BOUND).startswith(word)


def test_the_difference_is_a_share_of_the_measured_time():
    assert comparison(10.0, 9.0).error == pytest.approx(-0.1)
    assert "(-10.0%)" in comparison(10.0, 9.0).line(BOUND)
