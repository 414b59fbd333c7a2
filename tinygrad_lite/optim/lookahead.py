"""Lookahead: slow weights that follow those of another optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.backend import backend_of
from ..core.effects import replayed
from ..core.errors import StateError
from ..core.graph import unwrap
from ..ops.creation import to_array
from .groups import ParamGroup
from .optimizer import Optimizer

__all__ = ["Lookahead"]


class Lookahead:
    """After every k steps of an optimizer, s <- s + alpha (w - s) and w <- s; s are slow weights, w at first.

    optimizer : any that takes steps; its hyperparameters and parameter groups are those of this one. Its own state,
        such as momentum, goes on as it is.
    k : steps from one meeting to the next, at least 1.
    alpha : how far the slow weights go, above 0 and at most 1.

    Raises ValueError for k and alpha out of range.

    Source: M. Zhang et al., Lookahead optimizer: k steps forward, 1 step back, 2019, arXiv:1907.08610, algorithm 1.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Lookahead(optim.SGD([w], lr=0.25), k=2, alpha=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w
    Parameter([0.625], dtype=float32, requires_grad=True)
    """

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if not k >= 1:
            raise ValueError(f"Lookahead: k is {k}; it must be at least 1.")
        if not 0 < alpha <= 1:
            raise ValueError(f"Lookahead: alpha is {alpha}; it must be above 0 and at most 1.")
        self.optimizer, self.k, self.alpha, self.steps = optimizer, k, alpha, 0
        self._begin()

    def _begin(self) -> None:
        """Let the slow weights of those parameters that have none begin at the fast ones."""
        for flat in self.optimizer.groups:
            if "slow" not in flat.beside:
                flat.beside["slow"] = backend_of(flat.data).copy(flat.data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "optimizer" not in vars(self):
            raise AttributeError(f"'Lookahead' object has no attribute {name!r}")
        return getattr(self.optimizer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if "optimizer" in vars(self) and name in self.optimizer.defaults:
            setattr(self.optimizer, name, value)
        else:
            object.__setattr__(self, name, value)

    @property
    def param_groups(self) -> list[ParamGroup]:
        """Those of the optimizer."""
        return self.optimizer.param_groups

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Train further parameters, see `Optimizer.add_param_group`."""
        self.optimizer.add_param_group(group)
        self._begin()

    def step(self, closure: Callable[[], Any] | None = None, *, scaler: Any = None) -> Any:
        """A step of the optimizer, see `Optimizer.step`, and of the slow weights when it is their turn."""
        loss = self.optimizer.step(closure, scaler=scaler)
        self._meet()
        return loss

    @replayed
    def _meet(self) -> None:
        self.steps += 1
        if self.steps % self.k:
            return
        for flat in self.optimizer.groups:
            with backend_of(flat.data).on(flat.data):
                flat.follow(flat.beside["slow"], self.alpha)

    def state_dict(self) -> dict[str, Any]:
        """`{"optimizer": "Lookahead", "of": the optimizer's own, "steps": ..., "slow": {"0.weight": ...}}`."""
        slow = {
            name: backend_of(part).copy(part)
            for flat in self.optimizer.groups
            for name, part in zip(flat.names, flat.views(flat.beside["slow"]), strict=True)
        }
        return {"optimizer": "Lookahead", "of": self.optimizer.state_dict(), "steps": self.steps, "slow": slow}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over the state of another Lookahead of an equal optimizer.

        Raises StateError, listing what does not fit; nothing is loaded then.
        """
        if saved.get("optimizer") != "Lookahead":
            raise StateError(
                f"Lookahead.load_state_dict: the state is of {saved.get('optimizer')!r}; it must be of 'Lookahead'."
            )
        self.optimizer.load_state_dict(saved["of"])
        self.steps = int(saved["steps"])
        for flat in self.optimizer.groups:
            for name, part in zip(flat.names, flat.views(flat.beside["slow"]), strict=True):
                with backend_of(part).on(part):
                    part[...] = to_array(unwrap(saved["slow"][name]), dtype=flat.kept, device=flat.device)

    def __repr__(self) -> str:
        return f"Lookahead({self.optimizer!r}, k={self.k}, alpha={self.alpha})"
