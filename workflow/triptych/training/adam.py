"""Adam without torch's compiler.

torch wraps some methods of its optimisers for code that is compiled, and these wrappers import the compiler when they
are called. Nothing is compiled here, so the wrappers do nothing else, and the import takes longer than the rest of
torch (2 of 4 seconds).
"""

from inspect import unwrap

import torch


class Adam(torch.optim.Adam):
    """The same optimiser, with the methods that torch has wrapped. Do not compile it."""

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
