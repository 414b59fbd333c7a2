"""Checks for your own functions and operations.

`check_gradients` and `check_op` are here. `laws` has the laws that every operation obeys, `samples` the means to say on
what inputs, `strategies` what draws those, and `python -m tinygrad_lite.testing.coverage` prints what was checked of
each operation. Drawing needs the package hypothesis.

>>> from tinygrad_lite.testing import check_gradients
>>> def damped(x, rate):
...     return sin(x) * exp(-rate * x)
>>> check_gradients(damped, np.array([0.5, 2.0]), 0.3)
<gradient report of damped: 12 comparisons, 0 failures>

`print(check_gradients(...))` shows each comparison, and so does the error if there is a failure. An operation that you
declared is checked without any input of yours:

>>> from tinygrad_lite.testing import check_op
>>> @primitive(x=lambda g, x: 3 * x * x * g)
... def cube(xp, x):
...     return x * x * x
>>> check_op(cube)[0]
<gradient report of cube: 4 comparisons, 0 failures>
"""

from __future__ import annotations

from .gradients import check_gradients, check_op
from .report import Comparison, GradientCheckError, GradientReport

__all__ = ["Comparison", "GradientCheckError", "GradientReport", "check_gradients", "check_op"]
