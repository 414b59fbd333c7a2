"""What optimizers refuse, and what their messages say."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.optim.parameters import parameters
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import CaptureError, DTypeError, GradientError
from tinygrad_lite.optim import SGD, Adam, AdamW
from tinygrad_lite.regularizers import L2


def test_errors_at_construction():
    w = nn.Parameter([1.0])
    with pytest.raises(ValueError, match="SGD: there are no parameters to train"):
        SGD([], 0.1)
    with pytest.raises(ValueError, match="Adam: there are no parameters"):
        Adam(nn.ReLU())
    with pytest.raises(GradientError, match="SGD: parameter '0' is the result of an operation; only leaves"):
        SGD([w * 2.0], 0.1)
    with pytest.raises(GradientError, match="SGD: the same tensor is given twice, as '0', '1'; give each once"):
        SGD([w, w], 0.1)
    with pytest.raises(GradientError, match="SGD: the same name is given twice, as 'a', 'a'"):
        SGD([("a", w), ("a", nn.Parameter([1.0]))], 0.1)
    with pytest.raises(DTypeError, match="SGD: got a Parameter; a Module, or a list or dict of Tensors is required"):
        SGD(w, 0.1)
    with pytest.raises(DTypeError, match="SGD: entry 0 is a float; a Tensor is required"):
        SGD([1.0], 0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, -0.1), r"SGD: lr is -0\.1; it must be at least 0"),
        (lambda p: SGD(p, float("nan")), "SGD: lr is nan"),
        (lambda p: AdamW(p, -1), "AdamW: lr is -1; it must be at least 0"),
        (lambda p: SGD(p, 0.1, momentum=-1), "SGD: momentum is -1"),
        (lambda p: SGD(p, 0.1, weight_decay=-1), "SGD: weight_decay is -1"),
        (lambda p: Adam(p, eps=-1), "Adam: eps is -1"),
        (
            lambda p: Adam(p, betas=(0.9, 1.0)),
            r"Adam: betas is \(0\.9, 1\.0\); each must be at least 0 and less than 1",
        ),
        (lambda p: SGD(p, 0.1, nesterov=True), "SGD: nesterov=True with momentum 0.0 and dampening 0.0"),
        (lambda p: optim.ASGD(p, weight_decay=-1), "ASGD: weight_decay is -1; it must be at least 0"),
        (lambda p: optim.Adamax(p, betas=[0.9, -0.1]), r"Adamax: betas is \(0\.9, -0\.1\); each must be at least 0"),
        (lambda p: optim.NAdam(p, momentum_decay=-1), "NAdam: momentum_decay is -1; it must be at least 0"),
        (lambda p: optim.RAdam(p, eps=float("nan")), "RAdam: eps is nan"),
        (lambda p: optim.Adagrad(p, lr_decay=-1), "Adagrad: lr_decay is -1; it must be at least 0"),
        (lambda p: optim.Adagrad(p, initial_accumulator_value=-1), "Adagrad: initial_accumulator_value is -1"),
        (lambda p: optim.Adadelta(p, rho=1), "Adadelta: rho is 1; it must be at least 0 and less than 1"),
        (lambda p: optim.RMSprop(p, alpha=1.5), r"RMSprop: alpha is 1\.5; it must be at least 0 and less than 1"),
        (lambda p: optim.RMSprop(p, momentum=-1), "RMSprop: momentum is -1"),
        (lambda p: optim.Rprop(p, etas=(0.5, 0.9)), r"Rprop: etas is \(0\.5, 0\.9\); it must be a number between 0"),
        (lambda p: optim.Rprop(p, step_sizes=(2, 1)), r"Rprop: step_sizes is \(2, 1\); it must be the least and the"),
        (lambda p: optim.Lion(p, betas=(1, 0)), r"Lion: betas is \(1, 0\)"),
        (lambda p: optim.LARS(p, trust_coefficient=-1), "LARS: trust_coefficient is -1; it must be at least 0"),
        (lambda p: optim.LAMB(p, eps=-1), "LAMB: eps is -1"),
        (lambda p: optim.Adafactor(p, beta2_decay=0.8), r"Adafactor: beta2_decay is 0\.8; it must be at most 0"),
        (lambda p: optim.Adafactor(p, d=0.5), r"Adafactor: d is 0\.5; it must be at least 1"),
        (lambda p: optim.Adafactor(p, eps=(None, -1)), r"Adafactor: eps is \(None, -1\); each must be at least 0, or"),
        (lambda p: optim.SophiaG(p, rho=-1), "SophiaG: rho is -1"),
        (lambda p: optim.Muon(p[:1], adjust_lr_fn="other"), "Muon: adjust_lr_fn is 'other'; it must be 'original', 'm"),
        (lambda p: optim.Muon(p[:1], ns_coefficients=(1, 2)), r"Muon: ns_coefficients is \(1, 2\); it must be three"),
        (lambda p: optim.Muon(p), r"Muon: parameter '1' is \(\); all must be matrices\. Give the others to another"),
        (lambda p: optim.SGDScheduleFree(p, momentum=0), "SGDScheduleFree: momentum is 0; the share of x in y must be"),
        (lambda p: optim.SGDScheduleFree(p, momentum=1), "SGDScheduleFree: momentum is 1; it must be at least 0 and l"),
        (lambda p: optim.AdamWScheduleFree(p, betas=(0.0, 0.9)), r"AdamWScheduleFree: betas is \(0\.0, 0\.9\); the sh"),
        (lambda p: optim.AdamWScheduleFree(p, warmup_steps=-1), "AdamWScheduleFree: warmup_steps is -1"),
        (lambda p: optim.LBFGS(p, line_search_fn="wolfe"), "LBFGS: line_search_fn is 'wolfe'; it must be 'strong_wolf"),
        (lambda p: optim.LBFGS(p, max_iter=0), "LBFGS: max_iter is 0; it must be at least 1"),
        (
            lambda p: optim.LBFGS([{"params": p[:1]}, {"params": p[1:]}]),
            "LBFGS: there is more than one parameter group",
        ),
        (
            lambda p: optim.LBFGS(p + parameters("float32")),
            r"LBFGS: the parameters are float32 on \w+(:0)?, float64 on \w+(:0)?; ",
        ),
        (lambda p: optim.LBFGS(p).step(), r"LBFGS\.step: there is no closure; give a function that sets gradients and"),
        (
            lambda p: optim.SophiaG(p, weight_decay=0.2, decay=L2(0.1)),
            r"SophiaG: weight_decay=0\.2 and decay=L2\(0\.1\); give one of them",
        ),
        (
            lambda p: AdamW(p, weight_decay=0.1, decay=L2(0.2)),
            r"AdamW: weight_decay=0\.1 and decay=L2\(0\.2\); give one of them, for example decay=L2\(0\.2\) \+ L2",
        ),
    ],
)
def test_wrong_hyperparameters(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(parameters())


@pytest.mark.parametrize("kind", [AdamW, optim.SophiaG, optim.LARS, optim.LAMB])
def test_a_decay_takes_the_place_of_the_usual_weight_decay(kind):
    assert kind(parameters()).weight_decay > 0 == kind(parameters(), decay=L2(0.1)).weight_decay


def test_lbfgs_is_not_captured():
    w = nn.Parameter(np.ones(2))
    optimizer = optim.LBFGS([w])
    with pytest.raises(CaptureError, match=r"jit: LBFGS\.step looks at the values of losses; do not capture it"):
        tl.jit(lambda x: optimizer.step(lambda: x))(np.ones(2))
