import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxlib import xla_client

from confemb.networks import streams
from confemb.networks.streams import ON_ONE_CORE, in_streams
from confemb.support.threads import usable_cores


def test_results_keep_their_order():
    # Every part waits for the one after it, as far as there are threads for both.
    count = min(usable_cores(), 3)
    done = [threading.Event() for _ in range(count + 1)]
    done[count].set()

    def call(factor, number):
        assert done[int(number) + 1].wait(timeout=60)
        done[int(number)].set()
        return number * factor

    parts = [(jnp.asarray(number),) for number in range(count)]
    assert in_streams(call, (jnp.asarray(10),), parts) == [10 * number for number in range(count)]
    assert in_streams(call, (), []) == []


def test_results_are_on_the_host_and_work_on_devices_of_their_own():
    seen = []

    @jax.jit
    def double(factor, value):
        return {"twice": factor * value}

    def call(factor, value):
        seen.append(value.devices())
        return double(factor, value)

    found = in_streams(call, (jnp.asarray(2.0),), [(np.arange(3.0) + i,) for i in range(4)])
    np.testing.assert_array_equal([result["twice"] for result in found], 2 * (np.arange(3.0) + np.arange(4)[:, None]))
    assert all(isinstance(result["twice"], np.ndarray) for result in found)
    assert all(devices.isdisjoint({jax.devices()[0]}) for devices in seen)


def test_programs_are_compiled_for_one_core():
    # With more, XLA cuts the larger loops into parts for the threads of its pool.
    programs = []
    function = jax.jit(lambda x: jnp.tanh(x).sum(), compiler_options=ON_ONE_CORE)

    def call(x):
        programs.append(function.lower(x).compile().as_text())
        return function(x)

    in_streams(call, (), [(jnp.ones((1000, 1000)),)])
    assert "outer_dimension_partitions" not in programs[0].replace('outer_dimension_partitions":[]', "")


def test_without_devices_of_their_own_the_bytes_are_the_same(monkeypatch):
    function = jax.jit(
        lambda kernel, x: jax.nn.softmax(
            jnp.tanh(
                jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            ).mean(axis=(1, 2))
        ),
        compiler_options=ON_ONE_CORE,
    )
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(3, 3, 8, 64)).astype(np.float32)
    parts = [(generator.normal(size=(16, 24, 24, 8)).astype(np.float32),) for _ in range(3)]
    own = in_streams(function, (kernel,), parts)
    monkeypatch.setattr(streams, "_own", threading.local())
    monkeypatch.delattr(xla_client, "make_cpu_client")
    seen = []

    def call(*arguments):
        seen.append(arguments[0].devices())
        return function(*arguments)

    shared = in_streams(call, (kernel,), parts)
    assert [one.tobytes() for one in shared] == [one.tobytes() for one in own]
    assert seen == [{jax.devices()[0]}] * 3


def test_a_failure_comes_through():
    with pytest.raises(ZeroDivisionError):
        in_streams(lambda number: 1 // int(number), (), [(jnp.asarray(1),), (jnp.asarray(0),)])


@pytest.mark.slow
@pytest.mark.skipif(usable_cores() < 2 or not hasattr(os, "sched_setaffinity"), reason="needs two cores to choose from")
def test_the_number_of_cores_changes_no_bit_of_a_training(tmp_path):
    def train(folder, allowed):
        limited = f"import os; os.sched_setaffinity(0, {allowed}); from confemb.cli.app import main; main()"
        arguments = ["train", "digits", "--set", "training.epochs=2", "--out", str(tmp_path / folder)]
        subprocess.run([sys.executable, "-c", limited, *arguments], check=True, capture_output=True, cwd=tmp_path)
        return (tmp_path / folder / "weights.safetensors").read_bytes()

    every = os.sched_getaffinity(0)
    assert train("one", {min(every)}) == train("all", every)
