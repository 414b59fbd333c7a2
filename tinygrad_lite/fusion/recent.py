"""A dictionary of a limited size, for what can be made again."""

from __future__ import annotations

from typing import Any

__all__ = ["Recent"]


class Recent(dict):
    """Forgets its oldest entry when it would have more than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) >= self.limit and key not in self:
            self.pop(next(iter(list(self)), None), None)  # another thread may have taken it meanwhile
        super().__setitem__(key, value)
