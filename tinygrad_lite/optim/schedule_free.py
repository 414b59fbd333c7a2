"""Schedule-free learning: an average of the iterates in place of a learning rate that decreases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..core.backend import backend_of
from ..core.effects import replayed
from ..core.errors import StateError
from ..fusion.device_numbers import chosen, larger, root, smaller
from .optimizer import Optimizer, State

__all__ = ["AdamWScheduleFree", "SGDScheduleFree"]


class _ScheduleFree(Optimizer):
    """z moves as in the plain method, x is the average of z, and gradients are taken at y = (1 - b) z + b x.

    While training the parameters are y, in evaluation mode x. The state is z.
    """

    decoupled = None
    below_one = ("betas", "momentum")
    nonnegative = ("lr", "weight_decay", "eps", "warmup_steps")
    numbers: ClassVar = {"weight_sum": 0.0, "lr_max": 0.0}

    def check(self, hyper: Mapping[str, Any]) -> None:
        super().check(hyper)
        if not self._share(hyper) > 0:
            name = "betas" if "betas" in hyper else "momentum"
            raise ValueError(
                f"{type(self).__name__}: {name} is {hyper[name]}; the share of x in y must be above 0, else "
                f"x cannot be found from y."
            )

    @staticmethod
    def _share(hyper: Mapping[str, Any]) -> float:
        return hyper["betas"][0] if "betas" in hyper else hyper["momentum"]

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"z": 0.0, "exp_avg_sq": 0.0} if "betas" in hyper else {"z": 0.0}

    @classmethod
    def _moved(cls, y: Any, direction: Any, lr: float, state: State, hyper: Mapping[str, Any]) -> tuple[Any, State]:
        """y and the state after z moved by -lr * direction."""
        step, share = hyper["step"], cls._share(hyper)
        z = chosen(step == 1, lambda: y, lambda: state["z"])
        if hyper["weight_decay"]:
            direction = direction + hyper["weight_decay"] * y
        lr_max = larger(lr, state["lr_max"])
        weight = step ** hyper["r"] * lr_max ** hyper["weight_lr_power"]
        total = state["weight_sum"] + weight
        newest = chosen(total != 0, lambda: weight / total, lambda: 0.0)
        # y' = (1 - b) z' + b ((1 - c) x + c z') with b x = y - (1 - b) z and z' = z - lr * direction
        moved = (1 - newest) * y + newest * z + (lr * (share * (1 - newest) - 1)) * direction
        return moved, {"z": z - lr * direction, "weight_sum": total, "lr_max": lr_max}

    def step(self, closure: Callable[[], Any] | None = None, *, scaler: Any = None) -> Any:
        """As `Optimizer.step`. Raises StateError in evaluation mode."""
        self._require_training()
        return super().step(closure, scaler=scaler)

    @replayed(graph="refreshed")
    def _require_training(self) -> None:
        if not all(group["train_mode"] for group in self.param_groups):
            raise StateError(f"{type(self).__name__}: step in evaluation mode; call optimizer.train() before it.")

    def train(self) -> None:
        """Make the parameters those that gradients are taken at, y. An optimizer starts so."""
        self._switch(True)

    def eval(self) -> None:
        """Make the parameters the averages x, which are to be evaluated and saved."""
        self._switch(False)

    @replayed
    def _switch(self, train_mode: bool) -> None:
        for group in self.param_groups:
            if group["train_mode"] is train_mode:
                continue
            share = self._share(group)
            weight = 1 - share if train_mode else 1 - 1 / share  # of z, from x to y or from y to x
            group.take_in()
            for flat in group.flat:
                with backend_of(flat.data).on(flat.data):
                    flat.mix("z", weight)
            group["train_mode"] = train_mode


class SGDScheduleFree(_ScheduleFree):
    """Schedule-free gradient descent: z <- z - lr * (g + weight_decay * y),  x <- (1 - c) x + c z.

    g is taken at y = (1 - momentum) z + momentum x, which the parameters are while training; call `eval()` before they
    are evaluated or saved, and `train()` after it. c is the share of the newest in the sum of all weights
    t^r * lr_max^weight_lr_power with the largest lr so far, 1 / t for a constant lr.

    params, lr, maximize : see `Optimizer`.
    momentum : share of x in y, above 0 and less than 1.
    weight_decay : as in the formula.
    warmup_steps : over so many steps lr rises to its value.
    r, weight_lr_power : as in the formula.

    Source: A. Defazio et al., The road less scheduled, 2024, arXiv:2405.15682.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.SGDScheduleFree([w], lr=0.25)
    >>> for _ in range(20):
    ...     w.grad = 2 * w.detach()
    ...     optimizer.step()
    >>> optimizer.eval()
    >>> print(f'{w.item():.2f}')
    -0.03
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        maximize: bool = False,
    ) -> None:
        own = {"momentum": momentum, "weight_decay": weight_decay, "warmup_steps": warmup_steps, "r": r}
        super().__init__(params, lr, **own, weight_lr_power=weight_lr_power, train_mode=True, maximize=maximize)

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        return SGDScheduleFree._moved(param, grad, hyper["lr"] * _warmth(hyper), state, hyper)


class AdamWScheduleFree(_ScheduleFree):
    """Schedule-free AdamW: z <- z - lr' * (g / (sqrt(v) + eps) + weight_decay * y),  x <- (1 - c) x + c z.

    v <- b2 v + (1 - b2) g^2 and lr' = lr * sqrt(1 - b2^t); g is taken at y = (1 - b1) z + b1 x, which the parameters
    are while training; call `eval()` before they are evaluated or saved, and `train()` after it.

    params, lr, maximize : see `Optimizer`.
    betas : the pair (b1, b2), each at least 0 and less than 1, the first above 0.
    eps : keeps the quotient finite where all gradients have been 0.
    weight_decay, warmup_steps, r, weight_lr_power, c : see `SGDScheduleFree`.

    Source: A. Defazio et al., The road less scheduled, 2024, arXiv:2405.15682, algorithm 1.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.AdamWScheduleFree([w], lr=0.1)
    >>> for _ in range(40):
    ...     w.grad = 2 * w.detach()
    ...     optimizer.step()
    >>> optimizer.eval()
    >>> -0.2 < w.item() < 0.2
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        maximize: bool = False,
    ) -> None:
        own = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "warmup_steps": warmup_steps, "r": r}
        super().__init__(params, lr, **own, weight_lr_power=weight_lr_power, train_mode=True, maximize=maximize)

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        b2 = hyper["betas"][1]
        square = b2 * state["exp_avg_sq"] + (1 - b2) * (grad * grad)
        direction = grad / (backend_of(param).xp.sqrt(square) + hyper["eps"])
        lr = hyper["lr"] * _warmth(hyper) * root(1 - b2 ** hyper["step"])
        moved, kept = AdamWScheduleFree._moved(param, direction, lr, state, hyper)
        return moved, {**kept, "exp_avg_sq": square}


def _warmth(hyper: Mapping[str, Any]) -> float:
    """The share of the learning rate while it rises."""
    return smaller(1.0, hyper["step"] / hyper["warmup_steps"]) if hyper["warmup_steps"] else 1.0
