"""`jit`: replays give what the step itself gives, bit for bit, and what they depend on is alive or refused."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import steps
from tinygrad_lite import nn, optim

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 8, 5)).astype("float32"), RNG.integers(0, 3, size=(6, 8))


def network(*extra):
    first, last = nn.Linear(5, 7, rng=tl.Generator(0)), nn.Linear(7, 3, rng=tl.Generator(1))
    return nn.Sequential(first, *extra, nn.GELU(), last)


def train(wrap, make_model, make_optimizer, extra=lambda model: None):
    return steps.train(wrap, None, make_model, make_optimizer, extra, (X, Y))


@pytest.mark.parametrize(
    ("model", "optimizer", "extra"),
    [
        (network, lambda m: optim.Adam(m, 0.01), lambda m: None),
        (network, lambda m: optim.AdamW(m, 0.01), lambda m: optim.clip_grad_norm(m.parameters(), 0.1)),
        (network, lambda m: optim.SGD(m, 0.01, 0.9), lambda m: optim.clip_grad_value(list(m.parameters()), 0.01)),
        (lambda: network(nn.Dropout(0.3)), lambda m: optim.Adam(m, 0.01), lambda m: None),
        (lambda: network(nn.BatchNorm1d(7)), lambda m: optim.Adam(m, 0.01), lambda m: None),
        (lambda: network(nn.BatchNorm1d(7, momentum=None)), lambda m: optim.Adam(m, 0.01), lambda m: None),
        (lambda: network(nn.LayerNorm(7)), lambda m: optim.SGD(m, 0.01, decay=tl.regularizers.L2(0.1)), lambda m: None),
    ],
)
def test_training_is_the_same_bit_for_bit(model, optimizer, extra):
    expected, eager, _ = train(lambda f: f, model, optimizer, extra)
    got, captured, run = train(tl.jit, model, optimizer, extra)
    assert got == expected
    assert sum(map(len, run.programs.values())) == 1
    for (name, a), (_, b) in zip(eager.state_dict().items(), captured.state_dict().items(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_parameters_are_frozen_and_unfrozen_between_calls():
    def freeze(model, frozen):
        for parameter in model[0].parameters():
            parameter.requires_grad = not frozen

    results = []
    for wrap in (lambda f: f, tl.jit):
        model = network()
        optimizer = optim.SGD(model, 0.1)

        @wrap
        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        losses = []
        for frozen in (False, False, True, False, False):
            freeze(model, frozen)
            losses.append(step(X[0]).item())
        results.append((losses, [p.tolist() for p in model.state_dict().values()]))
    assert results[0] == results[1]
    assert sum(map(len, step.programs.values())) == 2  # that of the leaves that are gone is not kept


def test_batches_beside_arrays_of_the_step_and_constants():
    # Of each kind on each side: one batched, one of the step that is not, one from outside.
    constant = np.arange(9.0).reshape(3, 3)
    x = RNG.normal(size=3)
    transformed = [
        tl.hessian(lambda x: (tl.softmax(x, axis=-1) * tl.exp(x)).sum()),
        lambda x: tl.vmap(lambda y: tl.matmul(constant, y) + tl.eye(3, dtype="float64") @ y)(tl.stack([x, 2 * x])),
        lambda x: tl.jacobian(tl.jacobian(lambda z: tl.stack([constant[0], z * z])[1] * z))(x),
    ]
    for f in transformed:
        captured = tl.jit(f)
        for given in (x, 2 * x):
            np.testing.assert_array_equal(captured(given), f(given))


def test_images():
    x, y = RNG.normal(size=(3, 4, 1, 8, 8)).astype("float32"), RNG.integers(0, 2, size=(3, 4))
    results = []
    for wrap in (lambda f: f, tl.jit):
        model = nn.Sequential(
            nn.Conv2d(1, 3, 3, rng=tl.Generator(0)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(27, 2, rng=tl.Generator(1)),
        )  # fmt: skip
        optimizer = optim.SGD(model, 0.1)

        @wrap
        def step(x, y, model=model, optimizer=optimizer):
            loss = tl.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return {"loss": loss, "logits": [model(x)]}

        for one in zip(x, y, strict=True):
            out = step(*one)
        results.append((out["loss"].item(), out["logits"][0].tolist()))
    assert results[0] == results[1]


def test_tensors_of_the_surroundings_are_read_anew():
    w = tl.tensor([1.0, 2.0], requires_grad=True)
    scale = tl.tensor([2.0])
    optimizer = optim.SGD([w], 0.1)

    @tl.jit
    def step(x):
        penalty = (w * w).sum()  # of what no argument enters
        loss = ((w * scale - x) ** 2).sum() + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, penalty

    x = np.zeros(2, "float32")
    step(x)
    penalty = (w.detach() ** 2).sum().item()
    scale.data = np.float32([0.0])
    loss, got = step(x)
    assert got.item() == penalty and loss.item() == penalty


def test_gradients_are_added_up_and_can_be_computed_with():
    w = tl.tensor([1.0, 2.0], requires_grad=True)

    @tl.jit
    def step(x):
        (w * x).sum().backward()
        return tl.sqrt((w.grad**2).sum())

    x = np.ones(2, "float32")
    norms = [step(x * k).item() for k in (1, 2, 3)]
    np.testing.assert_allclose(norms, np.sqrt(2) * np.array([1.0, 3.0, 6.0]), rtol=1e-6)
    np.testing.assert_array_equal(w.grad.numpy(), [6.0, 6.0])


def test_other_shapes_dtypes_numbers_and_modes_are_captured_anew():
    model = nn.Sequential(nn.Linear(5, 4, rng=tl.Generator(0)), nn.Dropout(0.5))

    @tl.jit
    def f(x, k=1.0):
        return model(x) * k

    def count():
        return sum(map(len, f.programs.values()))

    f(X[0])
    f(X[1])
    assert count() == 1
    f(X[0][:3])
    f(X[0], k=2.0)
    f(X[0], k=2)
    assert count() == 4
    model.eval()
    np.testing.assert_array_equal(f(X[0]), model(X[0]).detach())
    model.train()
    assert (f(X[0]).numpy() == 0).any()
    assert count() == 5
    with tl.no_grad():
        f(X[0])
    assert count() == 6


def test_running_statistics_are_alive():
    model = nn.BatchNorm1d(5)
    evaluate = tl.jit(lambda x: model(x))
    model.eval()
    before = evaluate(X[0]).numpy().copy()
    model.train()
    model(X[1] * 5)
    model.eval()
    assert np.abs(evaluate(X[0]).numpy() - before).max() > 0.1
    np.testing.assert_array_equal(evaluate(X[0]), model(X[0]).detach())


@pytest.mark.numpy_only("draws numbers in main memory")
def test_random_numbers_are_drawn_anew():
    rng = tl.Generator(0)
    noise = tl.jit(lambda x: x + rng.normal(x.shape))
    x = np.zeros(3, "float32")
    got = [noise(x).tolist() for _ in range(3)]
    again = tl.Generator(0)
    assert got == [again.normal((3,)).tolist() for _ in range(3)]


def test_transforms_inside():
    f = lambda x: (tl.sin(x) * x).sum()
    both = tl.jit(lambda x: (tl.grad(f)(x), tl.hessian(f)(x), tl.vmap(tl.cos)(x)))
    for x in (np.array([0.5, 1.0]), np.array([2.0, -1.0])):
        slope, curvature, cosine = both(x)
        np.testing.assert_array_equal(slope, tl.grad(f)(x))
        np.testing.assert_array_equal(curvature, tl.hessian(f)(x))
        np.testing.assert_array_equal(cosine, np.cos(x))


def test_the_program_can_be_read():
    w = tl.tensor([1.0, 2.0], requires_grad=True)
    step = tl.jit(lambda x: tl.tanh(w * x))
    step(np.ones(2, "float32"))
    ((program,),) = step.programs.values()
    assert str(program).startswith("def program(x0):  # its own arrays take up to 1.6e-05 MB at a time\n")
    assert "= tanh(r1)  # (2,) float32" in str(program)


def test_one_in_another():
    inner = tl.jit(lambda x: tl.exp(x))
    outer = tl.jit(lambda x: inner(x) + 1)
    np.testing.assert_array_equal(outer(np.ones(2)), np.exp(np.ones(2)) + 1)
    np.testing.assert_array_equal(outer(np.zeros(2)), [2.0, 2.0])
    assert not inner.programs


@pytest.mark.parametrize("look", [float, bool, lambda x: x.item(), lambda x: x.detach().numpy(), lambda x: x.tolist()])
def test_looking_at_a_value_is_refused(look):
    w = nn.Parameter(np.ones(2))
    with pytest.raises(tl.CaptureError, match="jit: a value is looked at"):
        tl.jit(lambda x: look((w * x).sum()))(np.ones(2))
    assert isinstance(w.data, np.ndarray)  # as it was


def test_arguments_that_require_a_gradient_are_refused():
    with pytest.raises(tl.CaptureError, match="jit: an argument requires a gradient"):
        tl.jit(tl.exp)(tl.tensor([1.0], requires_grad=True))


class Hidden:
    def __init__(self):
        self.w = tl.tensor([1.0], requires_grad=True)


def test_leaves_that_replays_would_not_see_are_refused():
    hidden = Hidden()

    def step(x):
        (hidden.w * x).sum().backward()

    with pytest.raises(tl.CaptureError, match=r"jit: a gradient reaches a tensor of shape \(1,\).*(?s:.*)__init__"):
        tl.jit(step)(np.ones(1))


def test_an_error_of_the_step_leaves_everything_as_it_was():
    model = network()
    with pytest.raises(tl.ShapeError):
        tl.jit(lambda x: model(x) + np.ones(17))(X[0])
    assert all(isinstance(p.data, np.ndarray) for p in model.parameters())
    assert tl.core.effects.active_capture.get() is None


def test_results_lie_in_memory_of_their_own():
    double = tl.jit(lambda x: x * 2)
    first = double(np.ones(3))
    second = double(np.zeros(3))
    assert first.tolist() == [2.0, 2.0, 2.0] and second.tolist() == [0.0, 0.0, 0.0]


def test_checked_replays():
    check = lambda f: tl.jit(f, check=True)
    for make in (lambda: network(nn.Dropout(0.3)), lambda: network(nn.BatchNorm1d(7))):
        expected, _, _ = train(lambda f: f, make, lambda m: optim.Adam(m, 0.01))
        got, _, _ = train(check, make, lambda m: optim.Adam(m, 0.01))
        assert got == expected


def test_a_step_that_depends_on_something_hidden_fails_the_check():
    state = {"k": 1.0}

    @lambda f: tl.jit(f, check=True)
    def step(x):
        state["k"] += 1
        return x * state["k"]

    step(np.ones(2))
    with pytest.raises(tl.CaptureError, match="jit: a replay and the step as it is written differ in result 0"):
        step(np.ones(2))


def test_large_arrays_are_the_same_bit_for_bit():
    x = RNG.normal(size=(64, 300)).astype("float32")  # enough for programs of rules
    for f in (tl.sigmoid, tl.softplus, tl.elu, lambda x: tl.softmax(x) * x, tl.relu, tl.erf, tl.gelu):
        slope = lambda x, f=f: tl.grad(lambda x: (f(x) ** 2).sum())(x)
        replayed = tl.jit(slope)
        replayed(x + 1)
        np.testing.assert_array_equal(replayed(x), slope(x))


@pytest.mark.parametrize("f", [tl.gelu, tl.layer_norm, lambda x: tl.cross_entropy(x, np.arange(64))])
def test_cotangents_that_are_constants(f):
    x = RNG.normal(size=(64, 300)).astype("float32")
    seed = np.ones(f(x).shape, "float32")
    slope = lambda x: tl.vjp(f, x)[1](seed)
    replayed = tl.jit(slope)
    replayed(x + 1)
    np.testing.assert_array_equal(replayed(x)[0], slope(x)[0])


def test_what_constants_keep_for_their_gradient_is_there_in_every_replay():
    """A kernel gives away the gradient that it kept, and multiplies it by the cotangent."""
    x = RNG.normal(size=(4, 3))
    slope = lambda g: tl.vjp(lambda x: tl.cross_entropy(x, np.arange(4) % 3), x)[1](g)[0]
    replayed = tl.jit(slope)
    results = [replayed(np.asarray(g)) for g in (2.0, 2.0, 3.0)]
    for g, result in zip((2.0, 2.0, 3.0), results, strict=True):
        np.testing.assert_array_equal(result, slope(np.asarray(g)))


def test_numbers_of_numpys_are_arguments():
    f = tl.fuse(lambda x, y: x * y + x)
    replayed = tl.jit(f)
    x = np.ones((), "float32")
    assert [float(replayed(x, np.int64(y))) for y in (2, 2, 5)] == [3.0, 3.0, 6.0]


def test_rules_of_arrays_without_axes_are_the_same_where_values_are_numbers_of_numpys():
    slope = lambda x, g: tl.vjp(tl.erf, -x)[1](g)[0]
    replayed = tl.jit(slope)
    for x in np.linspace(-2, 2, 30).astype("float32"):
        x, g = np.asarray(x), np.asarray(np.float32(1.7))
        expected = slope(tl.Tensor(x), tl.Tensor(g))
        np.testing.assert_array_equal(replayed(x, g), expected)


def test_replays_warn_of_nothing_that_a_selection_left_out():
    x = np.array([4.0, -1.0, 0.0])
    slope = tl.jit(lambda x: tl.grad(lambda x: tl.where(x > 0, 1 / tl.sqrt(tl.abs(x)), 0.0).sum())(x))
    with np.errstate(divide="ignore"):  # of the values
        for _ in range(3):
            np.testing.assert_array_equal(slope(x), [-0.0625, 0.0, 0.0])


def test_programs_tell_zeros_apart_and_know_nan():
    f = tl.jit(lambda x, c: x * c)
    x = np.ones(2)
    assert [bool(np.signbit(f(x, c).numpy()).any()) for c in (0.0, -0.0, 0.0)] == [False, True, False]
    for _ in range(3):
        f(x, float("nan"))
    assert sum(map(len, f.programs.values())) == 3


def test_results_and_gradients_are_nobody_elses_memory():
    """What a call returned or left in `grad` stays as it is in later ones, and changing it changes none of them."""
    model = network(nn.LayerNorm(7), nn.ReLU())
    constant = np.ones((8, 5), "float32")

    @tl.jit
    def step(x):
        model.zero_grad()
        y = tl.reshape(model(x), (3, 8))
        y.sum().backward()
        return y, y.T, tl.ones((3,)), x + constant, [p.grad for p in model.parameters()]

    def arrays(results):
        *results, gradients = results
        return [x.numpy() for x in (*results, *gradients, *(p.grad for p in model.parameters()))]

    step(X[0])
    held = arrays(step(X[0]))
    before = [array.copy() for array in held]
    for x in X[1:]:
        step(x)
    for array, expected in zip(held, before, strict=True):
        np.testing.assert_array_equal(array, expected)
    for array in held:
        if array.flags.writeable:
            array[...] = np.nan
    for array, expected in zip(arrays(step(X[0])), before, strict=True):
        np.testing.assert_array_equal(array, expected)
    assert (constant == 1).all()
