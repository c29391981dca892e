"""Losses by others that GHM-C is compared with, as formulas: the loss of every example, one paper a file.

Each is a `torchghm.functional.weighed.Formula`, or a function that returns one for its options; the modules of
`torchghm.losses.rivals` weigh and reduce them.
"""

from torchghm.functional.rivals.asymmetric import asymmetric_formula
from torchghm.functional.rivals.dynamic_fine_tuning import dynamic_fine_tuning_formula
from torchghm.functional.rivals.equalization import class_gradients, equalization_formula, equalization_weights
from torchghm.functional.rivals.generalized_cross_entropy import generalized_cross_entropy_formula
from torchghm.functional.rivals.logit_adjustment import class_counts, class_priors, logit_adjustment_formula
from torchghm.functional.rivals.poly import poly1_focal_formula
from torchghm.functional.rivals.quality_focal import quality_focal_formula
from torchghm.functional.rivals.symmetric_cross_entropy import symmetric_cross_entropy_formula

__all__ = [
    "asymmetric_formula",
    "class_counts",
    "class_gradients",
    "class_priors",
    "dynamic_fine_tuning_formula",
    "equalization_formula",
    "equalization_weights",
    "generalized_cross_entropy_formula",
    "logit_adjustment_formula",
    "poly1_focal_formula",
    "quality_focal_formula",
    "symmetric_cross_entropy_formula",
]
