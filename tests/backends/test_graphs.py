"""`jit` on CuPy's arrays: captured as CUDA graphs, which give what the step itself gives, call by call, bit for bit.

On the stand-in a capture does nothing, graphs write on the memory that they know, whoever has it, and what CuPy refuses
while capturing is refused. The same tests run on a GPU where there is one.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.steps import network, programs, states, train
from tinygrad_lite import nn, optim
from tinygrad_lite.core.effects import live_numbers, replayed
from tinygrad_lite.cuda.graphs import what_is_in

STEPS = {
    "adam": {},
    "clipped norm": {"extra": lambda m: optim.clip_grad_norm(m.parameters(), 0.1)},
    "clipped values, momentum": {
        "make_optimizer": lambda m: optim.SGD(m, 0.01, 0.9),
        "extra": lambda m: optim.clip_grad_value(list(m.parameters()), 0.01),
    },
    "a rule for whole parameters": {"make_optimizer": lambda m: optim.Adafactor(m, 0.01)},
    "norms of parameters": {"make_optimizer": lambda m: optim.LAMB(m, 0.01)},
    "accumulators at first": {"make_optimizer": lambda m: optim.Adagrad(m, 0.01, initial_accumulator_value=0.1)},
    "dropout": {"make_model": lambda: network(nn.Dropout(0.3))},
    "batch norm": {"make_model": lambda: network(nn.BatchNorm1d(4))},
    "batch norm over all batches": {"make_model": lambda: network(nn.BatchNorm1d(4, momentum=None))},
    "weight decay": {"make_optimizer": lambda m: optim.SGD(m, 0.01, decay=tl.regularizers.L2(0.1))},
    "lookahead": {"make_optimizer": lambda m: optim.Lookahead(optim.SGD(m, 0.1), k=3)},
}


@pytest.mark.parametrize("step", STEPS)
def test_training_is_the_same_bit_for_bit(cuda, step):
    expected, eager, _ = train(lambda f: f, "cuda", **STEPS[step])
    got, captured, run = train(tl.jit, "cuda", **STEPS[step])
    assert got == expected
    for (name, a), b in zip(states(eager).items(), states(captured).values(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
    (program,) = programs(run)
    assert "graph of" in str(program), program
    assert not program._captured.entries  # gradients from before a step that forgets them are not kept for it


def test_matrix_products_are_captured(cuda):
    """Through cuBLASLt: CuPy's own calls of cuBLAS are refused while capturing."""
    make = lambda: nn.Sequential(nn.Linear(5, 4, rng=tl.Generator(0)), nn.GELU(), nn.Linear(4, 3, rng=tl.Generator(1)))
    expected, _, _ = train(lambda f: f, "cuda", make)
    got, _, run = train(tl.jit, "cuda", make)
    assert got == expected
    assert "matmul" in str(programs(run)[0]).lower()


def test_many_arrays_are_joined(cuda):
    """For more than 8, CuPy sends their addresses to the device."""

    def step(x):
        rows = [x * i for i in range(11)]
        columns = [x[:, : 1 + i % 2] for i in range(9)]
        return tl.stack(rows, axis=-1), tl.concat(columns, axis=-1), tl.concat(rows, axis=None)

    run, x = tl.jit(step), tl.tensor(np.arange(6.0).reshape(3, 2), device="cuda")
    for i in range(3):
        for got, expected in zip(run(x + i), step(x + i), strict=True):
            np.testing.assert_array_equal(got.numpy(), expected.numpy())
    assert "graph of" in str(programs(run)[0])


def test_a_graph_that_cannot_say_what_is_in_it(cuda):
    """CuPy's before 14."""
    assert what_is_in(object()) is None


# Live numbers


class Counter:
    """A counter on the host whose number a kernel reads, as an optimizer's rate is read."""

    def __init__(self, start=0):
        self.count = start

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]

    @replayed(graph="refreshed")
    def add_to(self, tensor, factor=0.5):
        live = live_numbers.get()
        self.count += 1
        form = self.count > 100
        if live is None:
            tensor.data[...] = tensor.data + self.count * factor
            return
        numbers = live.take([self.count, factor], form)
        if not live.refreshing:
            whole = numbers.view("int64") if numbers.dtype != "int64" else numbers
            tensor.data[...] = tensor.data + whole[0] * numbers[1]


def counted(wrap, counter, steps=6):
    total = tl.zeros((3,), dtype="float64", device="cuda")

    @wrap
    def step(x):
        counter.add_to(total)
        counter.add_to(total, 0.25)
        return total * x

    x = tl.ones((3,), dtype="float64", device="cuda")
    return [step(x).numpy().copy() for _ in range(steps)], step


def test_live_numbers_are_found_anew_for_each_replay(cuda):
    expected, _ = counted(lambda f: f, Counter())
    counter = Counter()
    got, step = counted(tl.jit, counter)
    np.testing.assert_array_equal(got, expected)
    assert counter.count == 12
    (program,) = programs(step)
    assert "apart" not in str(program) and len(program._captured.parts) == 1


def test_other_launches_are_captured_anew(cuda):
    """In the eighth call the counter passes 100: its kernel would be another one."""
    expected, _ = counted(lambda f: f, Counter(87), 12)
    counter = Counter(87)
    got, _ = counted(tl.jit, counter, 12)
    np.testing.assert_array_equal(got, expected)
    assert counter.count == 87 + 24


def test_the_host_may_be_many_launches_ahead(cuda):
    """Numbers are copied from pinned memory when the device comes to it, which may be late."""
    expected, _ = counted(lambda f: f, Counter(), 50)
    total, counter = tl.zeros((3,), dtype="float64", device="cuda"), Counter()

    @tl.jit
    def step(x):
        counter.add_to(total)
        counter.add_to(total, 0.25)
        return total * x

    x = tl.ones((3,), dtype="float64", device="cuda")
    got = [step(x) for _ in range(50)]
    np.testing.assert_array_equal([result.numpy() for result in got], expected)
