"""Names of a module whose files are imported when one of them is first asked for (PEP 562).

    if TYPE_CHECKING:
        from .sorting import argsort, sort
    else:
        __getattr__, __dir__ = later(__name__, {"sorting": "argsort sort"})

Every file costs about a third of a millisecond at import, and few programs need half of them. `dir` lists all names,
`from module import *` and type checkers find them, and a name that was asked for once is an ordinary one from then on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["later"]


def later(module: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of `module`, a package or a file.

    homes : for a file, relative to the package, the names that it provides, separated by spaces. A file that is itself
        in the package (has no dot in its name) is one of the names.

    Several threads may ask at once: Python imports a file once, and all get the same objects.
    """
    owner = sys.modules[module]
    package = module if hasattr(owner, "__path__") else module.rpartition(".")[0]
    places = {name: home for home, names in homes.items() for name in names.split()}
    files = {home for home in homes if "." not in home}

    def attribute(name: str) -> Any:
        if name in places:
            value = getattr(import_module(f"{package}.{places[name]}"), name)
        elif name in files:
            value = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        setattr(owner, name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(owner), *places, *files})

    return attribute, names
