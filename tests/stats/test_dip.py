"""The dip test against closed forms, a linear programme and simulations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.stats.dip import dip_p_value, dip_statistic


def test_closed_forms():
    # As even as can be, and two equal points.
    assert dip_statistic(np.arange(10.0)) == pytest.approx(1 / 20)
    assert dip_statistic(np.repeat([0.0, 1.0], 500)) == pytest.approx(1 / 4, abs=2e-3)
    assert dip_statistic(np.ones(7)) == pytest.approx(1 / 14)


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=60))
def test_it_lies_between_its_bounds_and_does_not_depend_on_the_unit(values):
    values = np.round(np.array(values), 6)
    found = dip_statistic(values)
    assert 1 / (2 * len(values)) - 1e-12 <= found <= 0.25 + 1e-12
    assert dip_statistic(-values) == pytest.approx(found, abs=1e-6)


def test_it_is_the_smallest_distance_from_a_distribution_with_one_peak():
    """By brute force: over every mode and every height there, convex below and concave above (a linear programme)."""
    from scipy.optimize import linprog

    generator = np.random.default_rng(3)
    for _ in range(4):
        x = np.sort(np.concatenate([generator.normal(size=5), generator.normal(3, 1, size=5)]))
        n = len(x)
        best = 1.0
        for mode in range(n):
            # Variables: the distribution function at each x, and the distance. Slopes rise up to the mode, then fall.
            rows, bounds = [], []
            for i in range(1, n - 1):
                slope = np.zeros(n + 1)
                left, right = 1 / (x[i] - x[i - 1]), 1 / (x[i + 1] - x[i])
                slope[i - 1], slope[i], slope[i + 1] = left, -left - right, right
                if i != mode:
                    # Left of the mode the slope grows, right of it it falls.
                    rows.append(-slope if i < mode else slope)
                    bounds.append(0.0)
            for i in range(n):
                above, below = np.zeros(n + 1), np.zeros(n + 1)
                above[i], above[n], below[i], below[n] = 1, -1, -1, -1
                # The empirical distribution jumps at x from i/n to (i+1)/n; at the mode the other may jump too.
                rows += [above, below]
                bounds += [i / n if i != mode else (i + 1) / n, -(i + 1) / n if i != mode else -i / n]
            for i in range(n - 1):
                rise = np.zeros(n + 1)
                rise[i], rise[i + 1] = 1, -1
                rows.append(rise)
                bounds.append(0.0)
            cost = np.zeros(n + 1)
            cost[n] = 1
            solved = linprog(cost, np.array(rows), bounds, bounds=[(None, None)] * n + [(0, None)])
            best = min(best, solved.fun)
        # With a jump allowed at the mode this is a lower bound that is off by at most one step of 1/(2n).
        assert best - 1e-9 <= dip_statistic(x) <= best + 1 / (2 * n) + 1e-9


def test_two_peaks_are_found_and_one_is_not():
    generator = np.random.default_rng(0)
    two = np.concatenate([generator.normal(size=100), generator.normal(5, 1, size=100)])
    assert dip_p_value(two) < 0.01
    assert dip_p_value(generator.normal(size=200)) > 0.2


@pytest.mark.parametrize("draw", ["normal", "exponential", "random", "standard_t"])
def test_a_single_peak_is_rarely_rejected(draw):
    generator = np.random.default_rng(5)
    arguments = {"standard_t": (3,)}.get(draw, ())
    rejected = sum(dip_p_value(getattr(generator, draw)(*arguments, size=60)) <= 0.05 for _ in range(200))
    # The level holds for the most even distribution; others are rejected less.
    assert rejected <= (18 if draw == "random" else 8)
