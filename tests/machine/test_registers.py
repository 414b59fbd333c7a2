"""Random expressions of many values, so that registers do not suffice, against the same calls of NumPy's."""

import random
from fractions import Fraction

import numpy as np
import pytest

from tests.machine.making import needs_machine_code, same, ufunc_of
from tinygrad_lite.machine.lanes import Lanes
from tinygrad_lite.machine.registers import Placed

pytestmark = needs_machine_code

NUMBERS = [0.0, -0.0, 1.0, -1.5, 0.3, 3.0, 1e-3, np.inf]
DTYPES = ["float32", "float64"]


def exact_sum(x, y, z):
    """x y + z, rounded once."""
    with np.errstate(all="ignore"):
        plain = x * y + z
    if not np.isfinite(plain):
        return plain
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    return x.dtype.type(exact) if exact else plain


def multiply_add(x, y, z):
    """`exact_sum` of arrays."""
    x, y, z = np.broadcast_arrays(x, y, z)
    made = [exact_sum(*of) for of in zip(x.ravel(), y.ravel(), z.ravel(), strict=True)]
    return np.array(made, x.dtype).reshape(x.shape)


def absolute(x):
    return np.copysign(x, 1)


class Graph:
    """Values on lanes and the same in NumPy, drawn at random; masks are apart."""

    def __init__(self, seed, dtype, inputs):
        self.draw, self.dtype, self.count = random.Random(seed), np.dtype(dtype), inputs
        self.recipes = []
        for i in range(self.draw.choice([3, 10, 40, 90])):
            near = self.draw.random() < 0.3  # or from anywhere, so that many live long
            operands = [self.operand(i, near) for _ in range(3)]
            if self.draw.random() < 0.35:
                a, b = self.draw.sample(range(3), 2)
                operands[a] = operands[b]
            self.recipes.append((self.draw.choice(FORMS), operands))
        self.roots = [self.draw.randrange(len(self.recipes)) for _ in range(self.draw.choice([1, 3, 20]))]

    def operand(self, i, near):
        """A number, an input, or the place of an earlier value."""
        if self.draw.random() < 0.2:
            return self.dtype.type(self.draw.choice(NUMBERS))
        least = max(0, self.count + i - 3) if near else 0
        return self.draw.randrange(least, self.count + i)

    def run(self, how, values, number):
        made = list(values)
        for form, operands in self.recipes:
            found = [made[x] if isinstance(x, int) else number(x) for x in operands]
            made.append(form(how, *found))
        return [made[len(values) + i] for i in self.roots]


FORMS = [
    *[lambda how, x, y, z: how.multiply_add(x, y, z)] * 6,
    lambda how, x, y, z: how.multiply_add(x, x, x),
    *[lambda how, x, y, z: how.subtract_product(x, y, z)] * 2,
    lambda how, x, y, z: how.subtract_product(x, x, x),
    *[lambda how, x, y, z: how.add(x, y)] * 3,
    lambda how, x, y, z: how.subtract(x, y),
    lambda how, x, y, z: how.multiply(x, y),
    lambda how, x, y, z: how.divide(x, y),
    lambda how, x, y, z: how.sqrt(x),
    lambda how, x, y, z: how.absolute(x),
    lambda how, x, y, z: how.negative(x),
    *[lambda how, x, y, z, way=way: how.round(x, way) for way in ("nearest", "floor", "ceil", "trunc")],
    *[
        lambda how, x, y, z, test=test: how.select(how.compare(x, test, y), y, z)
        for test in ("==", "<", "<=", "!=", ">=", ">", "unordered")
    ],
    lambda how, x, y, z: how.select(how.all_true, x, y),
    lambda how, x, y, z: how.select(how.all_false, x, y),
    lambda how, x, y, z: how.select(how.compare(x, "<", y), x, x),
    lambda how, x, y, z: how.least(x, y),
    lambda how, x, y, z: how.greatest(x, y),
]
"""What expressions are made of."""


class OnLanes(Lanes):
    """Lanes with the masks that are constants."""

    def __init__(self, dtype):
        super().__init__(dtype)
        self.all_true, self.all_false = self.pattern(-1), self.pattern(0)


class InNumpy:
    """The same in NumPy."""

    all_true, all_false = np.True_, np.False_
    add, subtract, multiply, divide = np.add, np.subtract, np.multiply, np.divide
    sqrt, negative = np.sqrt, np.negative
    absolute, multiply_add = staticmethod(absolute), staticmethod(multiply_add)

    @staticmethod
    def subtract_product(z, x, y):
        return multiply_add(np.negative(x), y, z)

    @staticmethod
    def round(x, way):
        return {"nearest": np.rint, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc}[way](x)

    @staticmethod
    def compare(x, how, y):
        if how == "unordered":
            return np.isnan(x) | np.isnan(y)
        names = {"==": "equal", "<": "less", "<=": "less_equal", "!=": "not_equal", ">=": "greater_equal"}
        return getattr(np, names.get(how, "greater"))(x, y)

    @staticmethod
    def select(mask, x, y):
        return np.where(mask, x, y)

    @staticmethod
    def least(x, y):
        return np.where(np.less(x, y), x, y)

    @staticmethod
    def greatest(x, y):
        return np.where(np.greater(x, y), x, y)


def values_of(dtype, size, count, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [(rng.normal(size=size) * 2).astype(dtype) for _ in range(count)]
    for array in arrays:
        array[3:6] = rng.permutation([0.0, -0.0, np.nan, np.inf, -1.0])[: len(array[3:6])]
    return arrays


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_expressions(dtype):
    slots = 0
    for seed in range(60):
        graph = Graph(seed, dtype, inputs := 1 + seed % 4)
        arrays = values_of(dtype, 11, inputs, seed)
        got = ufunc_of_graph(graph, dtype)(*arrays)
        with np.errstate(all="ignore"):
            expected = graph.run(InNumpy, arrays, lambda number: np.full(11, number))
        for a, b in zip(got if len(graph.roots) > 1 else [got], expected, strict=True):
            same(a, b)
        lanes = OnLanes(dtype)
        slots += Placed(graph.run(lanes, [lanes.load(i) for i in range(inputs)], lanes.constant)).slots > 0
    assert slots > 5, "hardly an expression needed the stack"


def ufunc_of_graph(graph, dtype):
    def compute(_, *loads):
        lanes = OnLanes(dtype)
        roots = graph.run(lanes, loads, lanes.constant)
        return [lanes.either(root, root) if root.kind == "constant" else root for root in roots]

    made = ufunc_of(dtype, compute, graph.count)

    def quiet(*arrays, **options):
        with np.errstate(all="ignore"):
            return made(*arrays, **options)

    return quiet


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 7, 8, 9, 16, 1000])
def test_arrays_of_any_length_and_layout(dtype, size):
    fn = ufunc_of(dtype, lambda lanes, x, y: lanes.subtract(lanes.multiply(x, y), 1.0), 2)

    def expected(x, y):
        return x * y - x.dtype.type(1)

    def exact(x):  # so that products do not overflow and are no NaN
        return np.nan_to_num(x, posinf=2.0)

    x, y = map(exact, values_of(dtype, size, 2))
    same(fn(x, y), expected(x, y))
    for a in (
        np.repeat(x, 3)[::3],
        x[::-1],
        np.broadcast_to(x[:1], x.shape),
        unaligned(x),
        np.float32(2).astype(dtype),
    ):
        for b in y, y[::-1], np.repeat(y, 2)[::2]:
            same(fn(a, b), expected(a, b))
            for out in np.empty(size, dtype), np.empty(2 * size, dtype)[::2], np.empty(size, dtype)[::-1], unaligned(x):
                fn(a, b, out=out)
                same(np.array(out), expected(a, b))
    grid = np.lib.stride_tricks.as_strided(x, (3, size), (0, x.itemsize), writeable=False)
    same(fn(grid.T, 2), expected(grid.T, x.dtype.type(2)))
    swapped = x.astype(x.dtype.newbyteorder())
    np.testing.assert_array_equal(fn(swapped, y), expected(x, y))


def unaligned(array):
    """A copy that lies one byte beside its place."""
    memory = np.empty(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype)
    moved[...] = array
    return moved


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_may_lie_over_inputs(dtype):
    fn = ufunc_of(dtype, lambda lanes, x, y: [lanes.subtract(y, x), lanes.add(y, x)], 2)
    swap = ufunc_of(dtype, lambda lanes, x, y: [lanes.either(y, y), lanes.either(x, x)], 2)
    for size in 1, 8, 37:
        x, y = np.arange(size, dtype=dtype), np.arange(size, dtype=dtype) * 10
        a, b = x.copy(), y.copy()
        fn(a, b, out=(a, b))
        same(a, y - x)
        same(b, y + x)
        a, b = x.copy(), y.copy()
        swap(a, b, out=(a, b))
        same(a, y)
        same(b, x)
    memory = np.arange(100, dtype=dtype)
    expected = memory[:-1] + memory[1:]
    ufunc_of(dtype, Lanes.add, 2)(memory[:-1], memory[1:], out=memory[1:])
    same(memory[1:], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_booleans_come_in_and_go_out(dtype):
    fn = ufunc_of(
        dtype,
        lambda lanes, m, x, n: [lanes.select(lanes.both(m, n), x, 1.0), lanes.either(lanes.compare(x, ">", 0.0), m)],
        kinds=["bool", dtype, "bool"],
        results=[dtype, "bool"],
    )
    rng = np.random.default_rng(0)
    for size in 0, 1, 4, 7, 8, 9, 100:
        m, n, x = rng.random(size) < 0.5, rng.random(size) < 0.5, rng.normal(size=size).astype(dtype)
        for step in 1, -1, 2:
            chosen = [array[::step] for array in (m, x, n)]
            guarded = np.full(chosen[0].size + 16, 7, np.uint8).view(bool)
            got, truth = fn(*chosen, out=(None, guarded[8:-8]))
            same(got, np.where(chosen[0] & chosen[2], chosen[1], np.ones((), dtype)))
            same(truth, (chosen[1] > 0) | chosen[0])
            assert (guarded.view(np.uint8)[[*range(8), *range(-8, 0)]] == 7).all(), "written beside the result"


def test_a_value_that_is_wanted_twice_is_computed_once():
    lanes = Lanes("float32")
    x = lanes.load(0)
    y = lanes.add(x, 1.0)
    steps = Placed([lanes.multiply(y, y), lanes.subtract(y, x)]).steps
    assert [step[0] for step in steps].count("op") == 3
    assert [step[0] for step in steps].count("load") == 1
