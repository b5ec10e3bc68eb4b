"""The claims of the lecture, each with the rule that decides whether a run agrees.

- Claims about the network, its size and its trainable parameters are tested by every run.
- Claims about ten epochs on CIFAR-10 are tested by runs with the lecture's recipe, which may disagree as well as agree,
  also where their files are not the published ones (such as a compressed copy of the images): that is named beside the
  verdict. For any other recipe the verdict is `not tested here`; the numbers are given all the same.
- With one seed a verdict is about the networks of that run.

Each rule's docstring says when it agrees, and why. They were last changed on `verdicts.RULES_DATE`, before any new run.
"""

from collections.abc import Callable

import pandas

from triptych.lecture45 import claims_curves, claims_network, claims_weights
from triptych.lecture45.evidence import Evidence
from triptych.lecture45.rules import Claim

CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    *claims_network.CLAIMS,
    *claims_curves.CLAIMS,
    *claims_weights.CLAIMS,
    claims_curves.last_layer_converges,
)
"""One function a claim, in the order of the film."""


def claims_table(evidence: Evidence) -> pandas.DataFrame:
    """Test every claim, in the order of the film."""
    return pandas.DataFrame([vars(test(evidence)) for test in CLAIMS])
