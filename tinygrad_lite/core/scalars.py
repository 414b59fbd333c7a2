"""0-d Tensors of main memory beside Tensors of a device, as in PyTorch: they are moved to it, by an operation.

So `grad(f)(2.0)` is possible where f computes on a device, and its gradient comes back to main memory. Arrays with axes
are not moved: that would be a slow copy which nobody asked for.
"""

from __future__ import annotations

from .backend import BACKENDS, backend_of, backend_of_type
from .graph import Node, wrap
from .registry import OPS

__all__ = ["beside_a_device"]


def beside_a_device(arrays: tuple, nodes: tuple[Node | None, ...]) -> tuple | None:
    """The arguments of a call that failed since its arrays are of several libraries, all of them on one device.

    arrays : the arrays, numbers and None that were given. nodes : those of the Tensors among them.
    Returns None if they are of one library, or if others than 0-d arrays of main memory would have to be moved.
    """
    host = BACKENDS["numpy"]
    found = [backend_of_type(type(array)) for array in arrays]
    roots = [backend and (backend.root or backend) for backend in found]
    scalars = [root is host and not array.shape for root, array in zip(roots, arrays, strict=True)]
    others = [i for i, root in enumerate(roots) if root is not None and not scalars[i]]
    if not any(scalars) or len({id(roots[i]) for i in others}) != 1 or roots[others[0]] is host:
        return None
    array = arrays[others[0]]
    device = backend_of(array).device_of(array)
    given = [a if root is None else wrap(a, node) for root, a, node in zip(roots, arrays, nodes, strict=True)]
    move = OPS["to_device"].function
    return tuple([move(x, device=device) if scalar else x for scalar, x in zip(scalars, given, strict=True)])
