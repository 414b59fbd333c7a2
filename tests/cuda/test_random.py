"""Random numbers and dropout on a device: the same as in main memory, from the same places of the stream."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import Generator
from tinygrad_lite.core.effects import live_numbers
from tinygrad_lite.core.philox import KINDS, Stream
from tinygrad_lite.cuda.random import draw_on_device

pytestmark = pytest.mark.usefixtures("emulated")

SCALES = {
    "uniform32": [(1, 0), (2.5, -1.25)], "uniform64": [(1, 0), (2.5, -1.25)], "normal32": [(0.75, 3.0)],
    "normal64": [(0.75, 3.0)], "integers": [(1, 5), (10, -3), (2**64 - 1, -(2**63)), (2**64, -(2**63))],
    "bernoulli": [(0, 0), (round(0.3 * 2**32), 0), (2**32, 0)],
}  # fmt: skip
SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 16, 17, 31, 33, 1000]


def equal(kind, there, here):
    assert there.dtype == here.dtype
    if kind == "normal32":
        np.testing.assert_allclose(there, here, rtol=2e-6, atol=2e-6)
    elif kind == "normal64":
        np.testing.assert_allclose(there, here, rtol=1e-14, atol=1e-15)
    else:
        np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_makes_the_same_numbers(cuda, kind):
    for scale, shift in SCALES[kind]:
        for size in SIZES:
            for start in range(5) if size < 20 else (3,):
                stream = Stream(key=(2**64 - 3, 7))
                stream.position = start
                draw = stream.draw(kind, (size,), scale, shift)
                equal(kind, cuda.to_numpy(cuda.draw(draw, "cuda")), draw.make())


@pytest.mark.parametrize("block", [2**64 - 3, 2**128 - 3, 2**192 - 2, 2**256 - 3])
def test_counters_carry(cuda, block):
    stream = Stream(key=(1, 2))
    stream.position = 4 * block + 2
    draw = stream.draw("integers", (20,), 2**64, 0)
    np.testing.assert_array_equal(cuda.to_numpy(cuda.draw(draw, "cuda")), draw.make())


def test_more_numbers_than_threads(cuda, monkeypatch):
    monkeypatch.setattr("tinygrad_lite.cuda.random.MOST_BLOCKS", 2)
    for kind in ("bernoulli", "integers"):
        draw = Stream(key=(1, 2)).draw(kind, (9001,), 2**31, 0)
        np.testing.assert_array_equal(cuda.to_numpy(cuda.draw(draw, "cuda")), draw.make())


def some(g, device):
    """Draws of every kind, one after the other, so that each begins where the others leave it."""
    made = [
        g.uniform((3,), device=device), g.normal((2, 5), device=device), g.integers(1000, shape=5, device=device),
        g.bernoulli(0.3, (11,), device=device), g.uniform((5,), low=-1.0, high=2.0, dtype="float16", device=device),
        g.permutation(7, device=device), g.uniform((2, 3), dtype="float64", device=device),
        g.integers(-3, 2**40, (3,), dtype="int32", device=device), g.normal((9,), dtype="float64", device=device),
        g.normal((4, 0), device=device), g.uniform((), device=device), g.normal((3,), dtype="float16", device=device),
        g.uniform((9,), dtype=ml_dtypes.bfloat16, device=device),
        *[child.uniform((3,), device=device) for child in g.spawn(2)], g.bernoulli(1.0, 3, device=device),
    ]  # fmt: skip
    assert all(x.device.startswith(device or "cpu") for x in made)
    return [x.numpy() for x in made]


def test_draws_after_one_another(cuda):
    g = Generator(5), Generator(5)
    for _ in range(2):
        for here, there in zip(some(g[0], None), some(g[1], "cuda"), strict=True):
            assert here.dtype == there.dtype and here.shape == there.shape
            np.testing.assert_allclose(there.astype("float64"), here.astype("float64"), rtol=2e-3, atol=2e-6)
            if here.dtype.itemsize != 2 and here.dtype.kind == "f" and here.ndim != 1:
                np.testing.assert_allclose(there, here, rtol=2e-6, atol=2e-6)
        assert g[0].state_dict() == g[1].state_dict()


def test_numbers_on_the_host_go_on_behind_those_of_a_device(cuda):
    here, there = Generator(6), Generator(6)
    for count in (1, 2, 3, 4, 5, 8, 100):
        here.uniform((count,), dtype="float64")
        there.uniform((count,), dtype="float64", device="cuda")
        assert here.uniform((3,)).tolist() == there.uniform((3,)).tolist()


def test_nothing_is_copied_from_the_host(cuda):
    if not hasattr(fake_cupy.cupy, "ndarray") or cuda.array_types != (fake_cupy.ndarray,):
        pytest.skip("copies are counted on the stand-in")
    before = fake_cupy.state.host_copies
    g = Generator(0)
    for draw in (g.uniform, g.normal):
        draw((100,), device="cuda")
    assert fake_cupy.state.host_copies == before


DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (8,), (3, 11), (2, 8, 16)])
def test_dropout_is_that_of_main_memory(cuda, dtype, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    g = np.random.default_rng(1).normal(size=shape).astype(dtype)
    for p in (0.3, 1.0):
        found = []
        for device in ("cpu", "cuda"):
            rng = Generator(3)
            rng.uniform((3,))
            leaf = tl.tensor(x, device=device, requires_grad=True)
            for _ in range(2):
                out = tl.dropout(leaf, p=p, rng=rng)
            out.backward(tl.tensor(g, device=device))
            found.append((out.detach().numpy(), leaf.grad.numpy(), rng.state_dict()))
        (out, gradient, state), (out_there, gradient_there, state_there) = found
        assert out_there.dtype == x.dtype and gradient_there.dtype == x.dtype
        for there, here in ((out_there, out), (gradient_there, gradient)):
            np.testing.assert_array_equal(there.astype("float64"), here.astype("float64"))
        assert state == state_there


def test_what_is_dropped_may_be_anything(cuda):
    x = np.full(64, np.nan, np.float32)
    kept = Generator(1).bernoulli(0.5, 64).numpy()
    made = tl.dropout(tl.tensor(x, device="cuda"), p=0.5, rng=Generator(1)).numpy()
    np.testing.assert_array_equal(np.isnan(made), kept)


def test_dropout_of_arrays_that_do_not_lie_in_order(cuda):
    x = np.random.default_rng(0).normal(size=(6, 10)).astype("float32")
    for view in (lambda a: a.T, lambda a: a[:, 1:], lambda a: a[1:, ::2]):
        there = tl.dropout(view(tl.tensor(x, device="cuda")), p=0.5, rng=Generator(2))
        np.testing.assert_array_equal(there.numpy(), tl.dropout(view(tl.tensor(x)), p=0.5, rng=Generator(2)).numpy())


def test_derivatives_of_the_gradient_of_dropout_have_its_mask(cuda):
    x = tl.tensor(np.arange(1.0, 17.0, dtype="float32"), device="cuda", requires_grad=True)
    out = tl.dropout(x, p=0.5, rng=Generator(4))

    def cubes(x):
        return (tl.dropout(x, p=0.5, rng=Generator(4)) ** 3).sum()

    first, second = (made(x).detach() for made in (tl.grad(cubes), tl.grad(lambda x: tl.grad(cubes)(x).sum())))
    kept = (out.detach().numpy() != 0).astype("float32")
    np.testing.assert_allclose(first.numpy(), 24 * kept * x.detach().numpy() ** 2)
    np.testing.assert_allclose(second.numpy(), 48 * kept * x.detach().numpy())


def test_dropout_of_each_of_a_batch(cuda):
    x = np.random.default_rng(0).normal(size=(3, 8)).astype("float32")
    found = []
    for device in ("cpu", "cuda"):

        def dropped(row):
            return tl.dropout(row, p=0.5, rng=Generator(1))

        batch = tl.tensor(x, device=device)
        gradients = tl.vmap(tl.grad(lambda row: (dropped(row) ** 2).sum()))(batch)
        found.append((tl.vmap(dropped)(batch).numpy(), gradients.numpy()))
    for here, there in zip(*found, strict=True):
        np.testing.assert_array_equal(here, there)


class Live:
    """What a captured step has: numbers in memory of the device, which an effect that runs again writes anew."""

    def __init__(self, xp):
        self.xp, self.slots, self.forms, self.refreshing, self.refused = xp, [], [], False, []

    def take(self, values, form=None):
        words = np.array([value & (1 << 64) - 1 for value in values], np.uint64).view(np.int64)
        if self.refreshing:
            assert self.forms[self.next] == form
            self.slots[self.next][...] = self.xp.asarray(words)
            self.next += 1
            return self.slots[self.next - 1]
        self.slots.append(self.xp.asarray(words))
        self.forms.append(form)
        return self.slots[-1]

    def refuse(self, why):
        self.refused.append(why)


@pytest.fixture
def live(cuda):
    token = live_numbers.set(Live(cuda.xp))
    yield live_numbers.get()
    live_numbers.reset(token)


def test_captured_kernels_read_where_they_begin(cuda, live):
    g, expected = Generator(8), Generator(8)
    x = tl.tensor(np.ones(40, np.float32), device="cuda")
    made = g.uniform((9,), device="cuda").numpy(), g.mask(0.5, (40,))
    np.testing.assert_array_equal(made[0], expected.uniform((9,)).numpy())
    np.testing.assert_array_equal(
        tl.ops.drop(x, draw=made[1], scale=2.0).numpy() > 0, expected.bernoulli(0.5, 40).numpy()
    )

    live.refreshing, live.next = True, 0
    assert g.uniform((9,), device="cuda") is None
    g.mask(0.5, (40,))
    live_numbers.set(None)
    expected.uniform((9,))
    # What was captured, launched again.
    np.testing.assert_array_equal(
        tl.ops.drop(x, draw=made[1], scale=2.0).numpy() > 0, expected.bernoulli(0.5, 40).numpy()
    )


def test_numbers_of_the_host_are_no_part_of_a_graph(cuda, live):
    assert Generator(8).uniform((2,)).shape == (2,)
    assert live.refused == ["random numbers are made in main memory; draw them on the device, with device='cuda'"]


def test_a_wrong_place_is_seen(cuda):
    stream = Stream(key=(1, 2))
    draw = stream.draw("bernoulli", (64,), 2**31)
    for wrong in (draw._replace(start=4), draw._replace(stream=Stream(key=(2, 1)))):
        with cuda.on("cuda"):
            assert (cuda.to_numpy(draw_on_device(wrong)) != draw.make()).any()
