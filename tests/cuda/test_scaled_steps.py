"""Steps that a loss scaler leaves out, on a device that alone knows which: as on NumPy, and as one graph."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.steps import programs
from tests.cuda.together import collected
from tests.optim.test_laws import LAW, STEPPED, gradients, parameters
from tinygrad_lite import nn, optim

pytestmark = pytest.mark.usefixtures("emulated", "fresh")


PLANTED = {0: np.inf, 2: np.nan, 5: -np.inf}
"""What is in a gradient in which step, of the parameter with the same number."""


def stepped(name, device, **settings):
    """Parameters, the numbers in the state and the scale after steps, three left out and one without a gradient."""
    made = parameters(name, "float32")
    for parameter in made:
        parameter.data = tl.tensor(parameter.data, device=device).data
    optimizer = getattr(optim, name)([(f"p{i}", p) for i, p in enumerate(made)], lr=0.01, **LAW[name], **settings)
    scaler = tl.GradScaler(init_scale=8.0, growth_interval=2)
    for step in range(7):
        scale = np.float32(scaler.scale(tl.ones((), device=device)).item())
        for i, (parameter, gradient) in enumerate(zip(made, gradients(name, step), strict=True)):
            gradient = np.array(gradient * scale, "float32")
            if step in PLANTED and i == step % len(made):
                gradient.reshape(-1)[-1] = PLANTED[step]
            parameter.grad = None if (step, i) == (3, 1) else tl.tensor(gradient, device=device)
        with np.errstate(all="ignore"):
            scaler.step(optimizer)
            scaler.update()
    state = optimizer.state_dict()["state"]
    numbers = [[x for x in entry.values() if isinstance(x, (int, float))] for entry in state.values()]
    return [parameter.detach().numpy() for parameter in made], numbers, scaler.state_dict()


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 0.3}], ids=["plain", "clipped"])
def test_left_out_steps_are_as_on_numpy(settings):
    failures = []
    names = [n for n in STEPPED if "ScheduleFree" not in n] if settings else STEPPED
    names = names[::3] if settings else names
    with fake_cupy.installed(programs=True), collected() as group:
        for name in names:
            stepped(name, "cuda", **settings)
        group.compile()
        for name in names:
            got, wanted = (stepped(name, device, **settings) for device in ("cuda", "cpu"))
            try:
                for x, y in zip(got[0], wanted[0], strict=True):
                    np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
                np.testing.assert_allclose(np.concatenate(got[1]), np.concatenate(wanted[1]), rtol=1e-12)
                assert got[1][0][0] == 4 and got[1][1][0] == 3 and got[2] == wanted[2]
            except AssertionError as error:
                failures.append(f"{name}: {error}")
    assert not failures, "\n".join(failures)


def test_a_step_joins_no_gradients(monkeypatch, launches):
    """Where one has none, what is found of the others before it and behind it is joined."""
    joined, concatenate = [], fake_cupy.cupy.concatenate
    monkeypatch.setattr(
        fake_cupy.cupy, "concatenate", lambda arrays, **how: joined.extend(arrays) or concatenate(arrays, **how)
    )
    with fake_cupy.installed(programs=True):
        stepped("Adam", "cuda", clip_norm=0.3)
    assert launches.count("not_finite") == launches.count("squares") == 8 and {x.size for x in joined} == {1}


# As a graph


class Mixed:
    """A training step in mixed precision: scaled, clipped, averaged.

    by_hand : whether gradients are unscaled and clipped in the step. outside : whether the scale is updated outside.
    """

    def __init__(self, wrap, *, kind="Adam", by_hand=False, outside=False, **settings):
        self.by_hand, self.outside = by_hand, outside
        rng = tl.Generator(0)
        self.model = nn.Sequential(nn.Linear(5, 6, rng=rng), nn.SiLU(), nn.Linear(6, 3, rng=rng)).to("cuda")
        self.optimizer = getattr(optim, kind)(self.model, 0.05, **settings)
        self.scaler = tl.GradScaler("cuda", init_scale=64.0, growth_interval=2)
        self.average = optim.EMA(self.model, 0.7)
        self.run = wrap(self.step)

    def step(self, x, y):
        self.optimizer.zero_grad()
        with tl.autocast("float16"):
            loss = ((self.model(x) - y) ** 2).mean()
        self.scaler.scale(loss).backward()
        if self.by_hand:
            self.scaler.unscale_(self.optimizer)
            optim.clip_grad_norm(self.model, 0.5)
        self.scaler.step(self.optimizer)
        if not self.outside:
            self.scaler.update()
        self.average.update_parameters(self.model)
        return loss

    def train(self, between=lambda self, i: None):
        """What there is after each of ten steps. between : called before each, with its number."""
        draw, seen = np.random.default_rng(0), []
        for i in range(10):
            between(self, i)
            x, y = (draw.normal(size=(8, n)).astype("float32") for n in (5, 3))
            x[0, 0] = {2: np.inf, 3: np.nan, 7: np.inf}.get(i, x[0, 0])
            self.optimizer.lr = 0.05 / (i + 1)
            loss = self.run(*(tl.tensor(a, device="cuda") for a in (x, y)))
            if self.outside:
                self.scaler.update()
            arrays = [*self.model.parameters(), *self.average.module.parameters(), loss]
            seen.append([self.scaler.state_dict(), *(a.detach().numpy() for a in arrays)])
        state = self.optimizer.state_dict()["state"].values()
        return [*seen, [tl.Tensor(x).numpy() for entry in state for x in entry.values()]]


def both(between=lambda self, i: None, **settings):
    """What eager steps give, what captured ones give, and what was captured."""
    eager, captured = Mixed(lambda f: f, **settings), Mixed(tl.jit, **settings)
    expected, got = eager.train(between), captured.train(between)
    for a, b in zip(expected, got, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
    (program,) = programs(captured.run)
    return captured, [seen[0]["scale"] for seen in got[:-1]], program


STEPS = {
    "adam": {},
    "clipped norm": {"clip_norm": 0.5},
    "clipped values, decay": {"kind": "SGD", "momentum": 0.9, "clip_value": 0.1, "decay": tl.regularizers.L2(0.1)},
    "kept numbers": {"kind": "NAdam"},
    "norms of parameters": {"kind": "LAMB", "clip_norm": 0.5},
    "by hand": {"by_hand": True},
    "updated outside": {"outside": True},
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_in_mixed_precision_is_one_graph(step):
    with fake_cupy.installed(programs=True):
        captured, scales, program = both(**STEPS[step])
        assert scales == [64, 128, 64, 32, 32, 64, 64, 32, 32, 64]
        assert next(iter(captured.optimizer.state_dict()["state"].values()))["step"] == 7
        assert captured.average.n_averaged.item() == 10
    assert len(program._captured.parts) == 1 and "graph of" in str(program) and "apart" not in str(program)
    assert program._launches == 9  # all but the first call


def test_what_changes_between_captured_steps():
    """Factors, limits and loaded states are found by the same graph."""

    def between(run, i):
        run.scaler.growth_factor = 4.0 if i > 4 else 2.0
        run.optimizer.clip_norm = 0.5 / (i + 1)
        if i in (4, 8):
            run.optimizer.load_state_dict(run.optimizer.state_dict())
            run.scaler.load_state_dict(run.scaler.state_dict())

    with fake_cupy.installed(programs=True):
        _, scales, program = both(between, clip_norm=0.5)
    assert scales == [64, 128, 64, 32, 32, 128, 128, 64, 64, 256]
    assert len(program._captured.parts) == 1 and program._launches == 9


def test_a_step_that_wants_another_kernel():
    """What the scaler knew before the attempt is put back, and the step made as it is written."""

    def between(run, i):
        run.optimizer.betas = (0.5, 0.999) if i < 6 else (0, 0.999)  # an int is no float

    with fake_cupy.installed(programs=True):
        _, scales, program = both(between, outside=True)
    assert scales == [64, 128, 64, 32, 32, 64, 64, 32, 32, 64]
    assert program._launches == 3  # since it was captured anew


def test_powers_are_computed_once_for_a_block():
    """Of what only the device knows and is the same for all elements: the size of a step of Adam."""
    with fake_cupy.installed(programs=True), collected() as group:
        stepped("Adam", "cuda")
        texts = [text for text in group.texts.values() if "Pieces<" in text and "pow_of" in text]
    assert texts
    for text in texts:
        head, _, loop = text.partition("for (i64 i = first")
        value, _, kernel = head.partition("KERNEL ")
        assert "pow_of" not in value + loop and kernel.count("pow_of") == 2 and "__syncthreads();" in kernel
