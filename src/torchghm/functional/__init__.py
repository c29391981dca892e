"""The paper, in plain torch: pure functions without state, one idea a file.

logits --gradient_norm--> g --density--> GD --weights--> beta --> loss
"""

from torchghm.functional.baselines import cross_entropy_loss, focal_loss, ohem_loss
from torchghm.functional.box_baselines import smooth_l1_loss
from torchghm.functional.classification import ghmc_loss
from torchghm.functional.density import gradient_density, gradient_histogram
from torchghm.functional.gradient_norm import gradient_norm_asl1, gradient_norm_sigmoid, gradient_norm_softmax
from torchghm.functional.regression import asl1_loss, ghmr_loss
from torchghm.functional.weights import harmonizing_weights

__all__ = [
    "asl1_loss",
    "cross_entropy_loss",
    "focal_loss",
    "ghmc_loss",
    "ghmr_loss",
    "gradient_density",
    "gradient_histogram",
    "gradient_norm_asl1",
    "gradient_norm_sigmoid",
    "gradient_norm_softmax",
    "harmonizing_weights",
    "ohem_loss",
    "smooth_l1_loss",
]
