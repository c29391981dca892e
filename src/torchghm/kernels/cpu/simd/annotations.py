"""Names of types in code that Numba compiles.

Numba compiles a function anew for the types of every call, and some of those exist only while it compiles: no
annotation can name them. These names say what is meant, and `Any` stands nowhere else in these kernels.
"""

from typing import Any

Real = Any
"""The dtype of the arithmetic: ``np.float32`` or ``np.float64``."""
Number = Any
"""A number, or a vector of numbers that are worked on at once."""
Numbers = Any
"""An array."""
Option = Any
"""True or None. Of the code for an option that is None nothing is compiled: Numba sees that by the argument's type."""
Pointer = Any
"""A pointer to `torchghm.kernels.cpu.kernel.Arguments`."""
Llvm = Any
"""A type, value, function or builder of Numba's compiler or of LLVM."""
