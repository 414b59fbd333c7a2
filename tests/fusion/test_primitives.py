"""Which primitives get programs."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS
from tinygrad_lite.core import dtypes
from tinygrad_lite.fusion.recent import Recent


@pytest.fixture(autouse=True)
def before_bfloat16(monkeypatch):
    """The package has not seen an array of bfloat16, after which every body looks for them."""
    monkeypatch.setattr(dtypes._Known, "bfloat16", None)
    for op in OPS.values():
        op.implementations.clear()
    yield
    for op in OPS.values():
        op.implementations.clear()


@pytest.mark.parametrize("name", ["add", "multiply", "tanh", "exp", "negative"])
def test_a_body_of_one_call_is_numpys_function_itself(name):
    op = OPS[name]
    assert op.implementations[np.ndarray] is getattr(np, name)


def test_a_body_of_several_calls_is_a_program_on_large_arrays():
    x = np.linspace(-1.0, 1.0, 20_000)
    chosen = OPS["leaky_relu"].implementations[np.ndarray]
    assert chosen.__name__ == "quicker"
    np.testing.assert_allclose(tl.leaky_relu(x), np.where(x > 0, x, 0.01 * x))


def test_what_another_thread_forgot_meanwhile_is_forgotten():
    class Key:
        def __hash__(self):
            if self in list(known) and not known.going:
                known.going = True
                known.clear()  # as another thread, between the choice of the oldest and its end
            return 1

    known = Recent(2)
    known.going = True
    known[Key()] = known[1] = None
    known.going = False
    known[2] = None
    assert list(known) == [2]
