import threading

import pytest

from confemb.streams import cores, in_streams


def test_results_keep_their_order():
    # Every part waits for the one after it, as far as there are threads for both.
    count = min(cores(), 3)
    done = [threading.Event() for _ in range(count + 1)]
    done[count].set()

    def call(number, factor):
        assert done[number + 1].wait(timeout=60)
        done[number].set()
        return number * factor

    assert in_streams(call, [(number, 10) for number in range(count)]) == [10 * number for number in range(count)]
    assert in_streams(call, []) == []


def test_a_failure_comes_through():
    with pytest.raises(ZeroDivisionError):
        in_streams(lambda number: 1 // number, [(1,), (0,)])
