"""The laws that every operation obeys, as functions `law(op, sample)` that raise AssertionError where one is broken.

Each is called with an `Op` and one of its samples, and checks a number of examples that Hypothesis draws.

>>> from tinygrad_lite.testing import laws
>>> from tinygrad_lite.testing.samples import samples_of
>>> @primitive(x=lambda g, x: 3 * x * x * g)
... def cubed(xp, x):
...     return x * x * x
>>> for sample in samples_of("cubed"):
...     laws.derivatives(cubed.op, sample, examples=3)
...     laws.float32_kept(cubed.op, sample, examples=3)
"""

from .backends import *
from .batches import *
from .calls import called
from .captures import *
from .derivatives import *
from .dtypes import *
from .halves import *
from .kinks import *
from .purity import *
from .taken import *
from .values import *
