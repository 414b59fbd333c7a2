"""Optimizers on a GPU: a step is one kernel from the update rule, with the results that NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.steps import programs
from tests.cuda.together import collected
from tests.optim.test_laws import LAW, STEPPED, gradients, parameters
from tinygrad_lite import optim
from tinygrad_lite.fusion.updates import write_over

pytestmark = pytest.mark.usefixtures("emulated", "fresh")


def stepped(name, device, dtype):
    """The parameters after three steps."""
    made = parameters(name, dtype)
    for parameter in made:
        parameter.data = tl.tensor(parameter.data, device=device).data
    optimizer = getattr(optim, name)([(f"p{i}", p) for i, p in enumerate(made)], lr=0.01, **LAW[name])
    for step in range(3):
        for parameter, gradient in zip(made, gradients(name, step), strict=True):
            parameter.grad = tl.tensor(np.asarray(gradient).astype(dtype), device=device)
        optimizer.step()
    return [parameter.detach().numpy() for parameter in made]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_optimizers_step_as_on_numpy(dtype):
    failures = []
    with fake_cupy.installed(programs=True), collected() as group:
        for name in STEPPED:
            stepped(name, "cuda", dtype)
        group.compile()
        for name in STEPPED:
            for got, wanted in zip(stepped(name, "cuda", dtype), stepped(name, "cpu", dtype), strict=True):
                tolerance = 1e-5 if dtype == "float32" else 1e-12
                try:
                    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
                except AssertionError as error:
                    failures.append(f"{name}: {error}")
    print(f"{len(group.texts)} kernels: {sorted(p.name for p in group.programs)[:1]}")
    assert not failures, "\n".join(failures)


def adam_like(p, g, m, *, lr, beta):
    m = beta * m + (1 - beta) * g
    return [p - lr * m / (tl.sqrt(abs(m)) + 1e-8), g, m]


class Live:
    """Live numbers that lie in an array of the stand-in."""

    def __init__(self, cupy):
        self.cupy, self.refreshing, self.forms, self.buffer, self.refused = cupy, False, [], None, []

    def take(self, values, form=None):
        made = [np.int64(x).tobytes() if isinstance(x, int) else np.float64(x).tobytes() for x in values]
        held = np.frombuffer(b"".join(made), "int64" if all(isinstance(x, int) for x in values) else "float64")
        if self.refreshing:
            self.buffer[...] = self.cupy.asarray(held)
        else:
            self.buffer = self.cupy.asarray(held.copy())
        self.forms.append(form)
        return self.buffer

    def once(self, work):
        return None if self.refreshing else work()

    def refuse(self, why):
        self.refused.append(why)


def test_numbers_of_a_captured_step_are_read_from_memory(launches):
    from tinygrad_lite.core.effects import live_numbers

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=1025).astype("float32") for _ in range(3)]
    with fake_cupy.installed(programs=True) as cupy:
        there = [cupy.asarray(x) for x in arrays]
        live = Live(cupy)
        token = live_numbers.set(live)
        try:
            write_over(there, lambda *a: adam_like(*a, lr=0.1, beta=0.9))
            after = [x.get() for x in there]
            live.refreshing = True
            write_over(there, lambda *a: adam_like(*a, lr=0.3, beta=0.9))
            write_over(there, lambda *a: [a[0], a[1], a[2] * a[2]])
        finally:
            live_numbers.reset(token)
        assert 0.3 in live.buffer.get() and 0.1 not in live.buffer.get()
        assert launches == ["program"] and live.forms[0] == live.forms[1] and not live.refused
        for x, y in zip(there, after, strict=True):
            np.testing.assert_array_equal(x.get(), y)
    write_over(arrays, lambda *a: adam_like(*a, lr=0.1, beta=0.9))
    for x, y in zip(arrays, after, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_rule_that_is_no_kernel_cannot_be_part_of_a_graph():
    from tinygrad_lite.core.effects import live_numbers

    with fake_cupy.installed(programs=True) as cupy:
        x, live = cupy.asarray(np.ones(3)), Live(cupy)
        token = live_numbers.set(live)
        try:
            write_over([x], lambda a: [a - tl.mean(a)])
        finally:
            live_numbers.reset(token)
        assert live.refused == ["an update without a kernel"]
        np.testing.assert_array_equal(x.get(), np.zeros(3))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_number_may_be_an_array_without_axes(launches, device):
    with fake_cupy.installed(programs=True):
        x = tl.tensor(np.arange(7, dtype="float32"), device=device).data
        scale = tl.tensor(np.float32(0.5), device=device).data
        write_over([x, scale], lambda a, scale: [a * scale - 1.0, scale])
        np.testing.assert_array_equal(tl.Tensor(x).numpy(), np.arange(7) * 0.5 - 1)
        assert launches == (["program"] if device == "cuda" else [])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_numbers_beside_16_bits_are_not_rounded(dtype):
    import ml_dtypes  # noqa: F401  # names bfloat16

    with fake_cupy.installed(programs=True) as cupy:
        x, mean = cupy.asarray(np.full(5, 1.0, dtype)), cupy.asarray(np.full(5, 0.25, "float32"))
        write_over([x, mean], lambda a, m: [a * 0.9995 * m, 0.999 * m + (1 - 0.999) * a])
        np.testing.assert_allclose(mean.get(), 0.25 * 0.999 + 0.001, rtol=1e-6)
        np.testing.assert_array_equal(x.get().astype("float32"), np.full(5, 0.9995 * 0.25, "float32").astype(dtype))


def trained(device, wrap):
    """The parameters after five steps with a learning rate of their own, and the function that took them."""
    rng = tl.Generator(0)
    linear = [tl.nn.Linear(n, m, rng=rng) for n, m in ((5, 7), (7, 3))]
    model = tl.nn.Sequential(linear[0], tl.nn.SiLU(), linear[1]).to(device)
    optimizer = optim.AdamW(model, lr=0.1)

    def step(x, target):
        optimizer.zero_grad()
        loss = ((model(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    call, draw = wrap(step), np.random.default_rng(0)
    for i in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        call(*(tl.tensor(draw.normal(size=(8, n)).astype("float32"), device=device) for n in (5, 3)))
    return [parameter.detach().numpy() for parameter in model.parameters()], call


def test_a_captured_step_with_kernels_of_expressions_is_one_graph():
    with fake_cupy.installed(programs=True):
        here, eager = trained("cpu", lambda step: step)[0], trained("cuda", lambda step: step)[0]
        captured, call = trained("cuda", tl.jit)
        (program,) = programs(call)
        assert "apart" not in str(program) and len(program._captured.parts) == 1
    for x, y, z in zip(here, eager, captured, strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(y, z)
