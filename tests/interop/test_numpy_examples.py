"""The examples of NumPy's documentation, on Tensors. All of them: `python -m tests.interop.numpy_examples`."""

import random

import numpy as np
import pytest

from tests.interop import numpy_examples
from tests.interop.numpy_examples import DIFFERENT, WITHOUT_EXAMPLES, run, supported
from tinygrad_lite.interop.functions import TABLE

SLOW = ("einsum", "linalg.multi_dot")

FUNCTIONS = supported()
NAMES = [name for name in FUNCTIONS if name not in WITHOUT_EXAMPLES]
SAMPLE = sorted({*random.Random(0).sample([name for name in NAMES if name not in SLOW], 60), *DIFFERENT} & set(NAMES))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLE)
def test_examples_agree_with_numpy(name):
    examples = run(name, FUNCTIONS[name])
    assert examples.wrong == []
    assert examples.calls, "no example was on Tensors"
    assert not examples.needless, "listed as different, and is not"


def test_most_of_numpy_is_there():
    assert len(FUNCTIONS) > 330
    assert set(WITHOUT_EXAMPLES) <= set(FUNCTIONS)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda a: a, "no Tensor"),
        (lambda a: numpy_examples.tl.ops.flip(a) * 2, "Not equal"),
        (lambda a: numpy_examples.tl.ops.flip(a)[:1], "instead of"),
    ],
    ids=["an array", "another value", "another shape"],
)
def test_a_wrong_entry_is_noticed(monkeypatch, made, message):
    monkeypatch.setitem(TABLE, "flipud", lambda m: made(m) if message != "no Tensor" else made(m).detach().numpy())
    wrong = run("flipud", np.flipud).wrong
    assert wrong and message in wrong[0]
