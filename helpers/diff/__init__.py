"""How a gradient is computed: engines small enough to be read aloud, on NumPy alone.

`rules` is the one table of elementary operations; the engines are number types that read it.
"""

from helpers.diff.rules import *  # noqa: F403
