"""How a gradient is computed: engines small enough to be read aloud, on NumPy alone.

`rules` is the one table of elementary operations; the engines are number types that read it.
"""

from helpers.diff import numpy_functions as _numpy_functions  # noqa: F401  (gives the number types NumPy's functions)
from helpers.diff.rules import (
    RULES,
    absolute,
    cos,
    exp,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    sign,
    sin,
    sqrt,
    step,
    tan,
    tanh,
)

__all__ = [
    "RULES",
    "absolute",
    "cos",
    "exp",
    "log",
    "maximum",
    "minimum",
    "relu",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "step",
    "tan",
    "tanh",
]
