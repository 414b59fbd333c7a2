"""Penalties: values, algebra, selections, and the laws of coupled and decoupled decay."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.fusion import updates
from tinygrad_lite.fusion.programs import Blocks
from tinygrad_lite.regularizers import L1, L2, Penalty, biases, everything, matrices, named


def model(seed=0):
    rng = tl.Generator(seed)
    return nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 2, rng=rng)).to("float64")


def gradients_of(penalty, module):
    module.zero_grad()
    penalty(module).backward()
    return {name: None if p.grad is None else p.grad.data for name, p in module.named_parameters()}


def weights(module):
    return {name: p.data.copy() for name, p in module.named_parameters()}


# Values and gradients


def test_l2_is_half_the_sum_of_squares_and_its_gradient_is_strength_times_w():
    m = model()
    expected = sum((w**2).sum() for w in weights(m).values())
    assert L2(0.3)(m).item() == pytest.approx(0.15 * expected, rel=1e-12)
    for name, g in gradients_of(L2(0.3), m).items():
        np.testing.assert_allclose(g, 0.3 * weights(m)[name], rtol=1e-12)


def test_l1_is_the_sum_of_absolute_values_and_its_gradient_is_the_sign():
    m = model()
    m[0].bias.data[0] = 0.0
    assert L1(0.3)(m).item() == pytest.approx(0.3 * sum(np.abs(w).sum() for w in weights(m).values()), rel=1e-12)
    for name, g in gradients_of(L1(0.3), m).items():
        np.testing.assert_allclose(g, 0.3 * np.sign(weights(m)[name]), rtol=1e-12)


@pytest.mark.parametrize("kind", [L1, L2])
def test_the_written_gradient_is_the_derivative(kind):
    w = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(kind(1.0).gradient(w), tl.grad(kind(1.0).of)(w), rtol=1e-12)


def test_float32_stays_float32():
    m = model().to("float32")
    value = (L1(0.1) + L2(0.1))(m)
    value.backward()
    assert value.dtype == np.float32 and {p.grad.dtype for p in m.parameters()} == {np.dtype("float32")}


def test_other_sources():
    w = tl.tensor([1.0, -2.0], requires_grad=True)
    assert L1(1.0)([w]).item() == L1(1.0)({"w": w}).item() == L1(1.0)([("w", w)]).item() == 3.0


def test_shared_parameters_count_once():
    m = nn.Module()
    m.a, m.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    m.b.weight = m.a.weight
    assert L1(1.0)(m).item() == pytest.approx(np.abs(m.a.weight.data).sum())


# Algebra


def test_sums_add():
    m = model()
    both = L1(0.1) + L2(0.2)
    assert both(m).item() == pytest.approx(L1(0.1)(m).item() + L2(0.2)(m).item(), rel=1e-12)
    assert (both + both)(m).item() == pytest.approx(2 * both(m).item(), rel=1e-12)
    ones, twos, sums = (gradients_of(penalty, m) for penalty in (L1(0.1), L2(0.2), both))
    for name in sums:
        np.testing.assert_allclose(sums[name], ones[name] + twos[name], rtol=1e-12)


def test_scaling():
    assert 3 * L2(0.5) == L2(0.5) * 3 == L2(1.5)
    assert 2 * (L1(1.0) + L2(2.0)) == L1(2.0) + L2(4.0)


def test_selections_narrow():
    assert L2(1.0).on(matrices).on(named("0")) == L2(1.0).on(matrices & named("0"))
    assert (L1(1.0) + L2(2.0).on(biases)).on(matrices) == L1(1.0).on(matrices) + L2(2.0).on(biases & matrices)


def test_they_are_values():
    assert L2(0.1).on(named("a*")) == L2(0.1).on(named("a*")) != L2(0.1).on(named("b*"))
    assert L1(0.1) != L2(0.1)
    assert len({L1(0.1), L1(0.1), L2(0.1).on(matrices)}) == 2
    with pytest.raises(AttributeError, match=r"does not change; make another with but\(strength=...\)"):
        L1(0.1).strength = 3.0


def test_they_print_as_they_are_written():
    penalty = L2(1e-4).on(matrices) + L1(1e-5).on(named("embedding"))
    assert repr(penalty) == "L2(0.0001).on(matrices) + L1(1e-05).on(named('embedding'))"
    assert repr(L2(1.0).on(~(matrices & biases) & (biases | everything))) == (
        "L2(1.0).on(~(matrices & biases) & (biases | everything))"
    )


# Selections


def chosen(selector, *names):
    shapes = {"weight": (2, 2), "bias": (2,)}
    tensors = {name: tl.zeros(shapes.get(name.rpartition(".")[2], (2,))) for name in names}
    return [name for name, tensor in tensors.items() if selector(name, tensor)]


def test_selectors():
    names = ["embedding.weight", "encoder.embedding.weight", "embeddings.weight"]
    names += ["layers.0.weight", "layers.0.bias", "layers.10.bias", "layers.unbias"]
    assert chosen(named("embedding"), *names) == names[:2]
    assert chosen(named("embedding*"), *names) == names[:3]
    assert chosen(named("layers.0"), *names) == names[3:5]
    assert chosen(named("layers.?.bias"), *names) == names[4:5]
    assert chosen(named("bias"), *names) == chosen(biases, *names) == names[4:6]
    assert chosen(matrices, *names) == names[:4]
    assert chosen(~matrices | named("encoder"), *names) == [names[1], *names[4:]]
    assert chosen(matrices & named("layers"), *names) == [names[3]]
    assert chosen(everything, *names) == names


def test_any_predicate_selects():
    m = model()
    only = gradients_of(L2(1.0).on(lambda name, p: p.size == 12), m)
    assert [name for name, g in only.items() if g is not None] == ["0.weight"]


def test_l2_on_matrices_leaves_biases_alone():
    m = model()
    found = gradients_of(L2(0.5).on(matrices), m)
    assert found["0.bias"] is None and found["2.bias"] is None and found["0.weight"] is not None
    before = weights(m)
    optimizer = optim.SGD(m, lr=0.1, decay=L2(0.5).on(matrices))
    for p in m.parameters():
        p.grad = tl.zeros_like(p)
    optimizer.step()
    for name, w in weights(m).items():
        np.testing.assert_allclose(w, before[name] * (1 if "bias" in name else 0.95), rtol=1e-12)


def test_a_selection_of_nothing_is_an_error():
    message = r"penalty: L2\(0\.1\)\.on\(named\('embeding'\)\) selects none of the parameters 0\.weight, 0\.bias, "
    with pytest.raises(ValueError, match=message):
        L2(0.1).on(named("embeding"))(model())
    with pytest.raises(ValueError, match=message):
        optim.SGD(model(), 0.1, decay=L2(0.1).on(named("embeding")))


def test_a_negative_strength_is_an_error():
    with pytest.raises(ValueError, match="L1: strength is -1; it must be at least 0"):
        L1(-1)
    with pytest.raises(ValueError, match=r"L2: strength is -0\.5"):
        L2(0.5) * -1


# Laws: in the loss or in the update

PENALTY = L2(0.3).on(matrices) + L1(0.02)


def train(make, penalty, coupled, steps=20):
    m = model()
    optimizer = make(m, None if coupled else penalty)
    x, y = np.random.default_rng(0).normal(size=(8, 3)), np.random.default_rng(1).normal(size=(8, 2))
    for _ in range(steps):
        loss = tl.mse(m(x), y)
        optimizer.zero_grad()
        (loss + penalty(m) if coupled else loss).backward()
        optimizer.step()
    return np.concatenate([w.ravel() for w in weights(m).values()])


def difference(make, penalty=PENALTY):
    return np.abs(train(make, penalty, True) - train(make, penalty, False)).max()


def test_for_plain_sgd_coupled_and_decoupled_agree_to_rounding():
    assert difference(lambda m, decay: optim.SGD(m, 0.1, decay=decay)) < 1e-14


@pytest.mark.parametrize(
    "make",
    [
        lambda m, decay: optim.SGD(m, 0.1, momentum=0.9, decay=decay),
        lambda m, decay: optim.Adam(m, 0.1, decay=decay),
        lambda m, decay: optim.AdamW(m, 0.1, weight_decay=0.0, decay=decay),
    ],
)
def test_with_momentum_or_adam_they_differ(make):
    assert difference(make) > 1e-3


@pytest.mark.parametrize(
    ("by_penalty", "by_argument", "coupled"),
    [
        (lambda m, _: optim.SGD(m, 0.1, 0.9), lambda m, _: optim.SGD(m, 0.1, 0.9, weight_decay=0.3), True),
        (lambda m, _: optim.Adam(m, 0.1), lambda m, _: optim.Adam(m, 0.1, weight_decay=0.3), True),
        (lambda m, d: optim.AdamW(m, 0.1, decay=d), lambda m, _: optim.AdamW(m, 0.1, weight_decay=0.3), False),
    ],
)
def test_the_argument_weight_decay_is_l2_of_everything(by_penalty, by_argument, coupled):
    nothing = L2(0.0)
    expected = train(by_penalty, L2(0.3), coupled)
    np.testing.assert_allclose(train(by_argument, nothing, True), expected, rtol=1e-11)


class Spread(Penalty):
    """The product of sums: its gradient at an element depends on the others."""

    def of(self, w):
        return (w * w).sum() * (w * w).sum()


def test_a_penalty_of_ones_own_needs_only_its_value(monkeypatch):
    monkeypatch.setattr(updates, "_programs", {})
    monkeypatch.setattr(Blocks, "most", 2)
    monkeypatch.setattr(Blocks, "alone", 0)
    assert difference(lambda m, decay: optim.SGD(m, 0.05, decay=decay), Spread(0.1) + L2(0.1)) < 1e-14
    w = np.array([1.0, 2.0])
    np.testing.assert_allclose(Spread(1.0).gradient(w), 4 * 5 * w)


def test_a_penalty_must_say_what_it_is():
    with pytest.raises(NotImplementedError, match=r"Penalty: define of\(self, w\)"):
        Penalty(1.0)([tl.zeros(2)])


def test_parameters_without_gradient_do_not_decay():
    w = nn.Parameter(np.ones(2))
    optim.SGD([w], 0.1, decay=L2(1.0)).step()
    assert w.tolist() == [1.0, 1.0]
