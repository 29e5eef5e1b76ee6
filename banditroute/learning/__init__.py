"""Learning: exact sums of the observations, and the ridge posteriors computed from them.

There are three layers, each a function of the one before. :class:`ExactSums` and :class:`SumsTable` are the state:
integers that are stored and merged. :class:`RidgePosterior` is a floating-point cache that is never stored.
Policies read the posterior and keep no state.

Single letters have their meaning from the papers, in this package only:

======  ==================  ========================================================================
letter  shape               meaning
======  ==================  ========================================================================
d                           features of a row, with the intercept
m                           objectives of one group
N                           arms
x       (d,)                a context
y       (m,)                scaled outcomes
G       (d, d)              Σ x xᵀ over the rows of one arm, without ridge
B       (m, d)              Σ y xᵀ
V       (d, d)              λ I + G, with λ the ridge
P       (d, d)              V⁻¹
Theta   (m, d)              posterior means of the coefficients
q       ()                  leverage xᵀ V⁻¹ x: the squared width of a prediction in units of the noise
======  ==================  ========================================================================
"""

from banditroute.learning.base import EPOCH_REQUESTS, ArmStart, Example, Model
from banditroute.learning.posterior.model import OutcomeModel
from banditroute.learning.posterior.ridge import RidgePosterior
from banditroute.learning.sums.codec import decode, encode
from banditroute.learning.sums.exact import ExactSums
from banditroute.learning.sums.fold import folder
from banditroute.learning.sums.table import BASE_EPOCH, SumsTable

__all__ = [
    "BASE_EPOCH",
    "EPOCH_REQUESTS",
    "ArmStart",
    "ExactSums",
    "Example",
    "Model",
    "OutcomeModel",
    "RidgePosterior",
    "SumsTable",
    "decode",
    "encode",
    "folder",
]
