"""From a definition to kernels: an expression graph, its derivative, and programs that compute both.

Importing this gives kernels to every operation that is declared afterwards.
"""

from ..core.codegen import FASTER_RULES
from ..core.op import AUTOMATIC_KERNELS, FASTER_BODIES
from .kernels import fuse, fuse_composite
from .primitives import Threshold, faster_body, faster_rule

__all__ = ["Threshold", "fuse"]

AUTOMATIC_KERNELS.append(fuse_composite)
FASTER_BODIES.append(faster_body)
FASTER_RULES.append(faster_rule)
