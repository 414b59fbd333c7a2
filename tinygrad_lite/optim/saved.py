"""Whether a saved state fits an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import StateError

if TYPE_CHECKING:
    from .optimizer import Optimizer

__all__ = ["check_saved"]


def check_saved(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """StateError, listing what does not fit, for a state that is not of such an optimizer of such parameters."""
    kind = type(optimizer).__name__
    if saved.get("optimizer") != kind:
        other = saved.get("optimizer")
        raise StateError(f"{kind}.load_state_dict: the state is of {other!r}; it must be of {kind!r}.")
    shapes = {name: shape for flat in optimizer.groups for name, shape in zip(flat.names, flat.shapes, strict=True)}
    state, groups = saved["state"], saved["param_groups"]
    misshapen = [
        f"{key} of {name} is {tuple(value.shape)} and must be {shapes[name]}"
        for name, entry in state.items()
        for key, value in entry.items()
        if optimizer.elementwise and name in shapes and hasattr(value, "shape") and tuple(value.shape) != shapes[name]
    ]
    problems = {
        "missing": [n for n in shapes if n not in state]
        + [n for n in optimizer.defaults if not all(n in group for group in groups)],
        "unexpected": [name for name in state if name not in shapes],
        "misshapen": misshapen,
    }
    if not any(problems.values()) and [len(g["params"]) for g in groups] != [
        len(g.names) for g in optimizer.param_groups
    ]:
        sizes = [
            " + ".join(str(len(names)) for names in each)
            for each in ([g["params"] for g in groups], [g.names for g in optimizer.param_groups])
        ]
        problems["groups"] = [f"{sizes[0]} parameters and must be {sizes[1]}"]
    if any(problems.values()):
        text = "; ".join(f"{what}: {', '.join(entries)}" for what, entries in problems.items() if entries)
        raise StateError(f"{kind}.load_state_dict: the state does not fit the parameters; {text}.")
