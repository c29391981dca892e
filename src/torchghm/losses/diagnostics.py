"""Diagnostics of a loss's last call: tensors on its device, none of which was waited for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from torchghm.functional.weights import inverse
from torchghm.losses.state.density_state import DensityEstimate


def _shown(name: str, **values: Tensor | None) -> str:
    """Return a record's name and its numbers, rounded; waits for the device."""
    texts = [
        f"{key}={'?' if value.is_meta else format(value.item(), '.4g')}"
        for key, value in values.items()
        if value is not None
    ]
    return f"{name}({', '.join(texts)})"


@dataclass(frozen=True, repr=False)
class Diagnostics:
    """The last call of a harmonized loss; every property is computed when it is read, without synchronising.

    The value of GHM-C hardly moves by construction (each region contributes about as much as any other): ``plain_loss``
    is the curve that shows learning.
    """

    estimate: DensityEstimate
    """The histogram as fractions, of this batch and over iterations, and N (of all ranks)."""
    table: Tensor
    """[regions] harmonizing weight beta of every region (K = 101 bins of them with the exact density)."""
    sums: Tensor
    """[3]: sum w L, sum |gradient|, its part that belongs to positives, of this rank."""
    local_histogram: Tensor
    """[regions + 2] what pass 1 counted on this rank: examples by region, non-finite logits, invalid targets."""
    bins: int
    """M, the number of unit regions."""
    has_positives: bool
    """Whether positives are defined (sigmoid GHM-C)."""

    @property
    def plain_loss(self) -> Tensor:
        """Mean of w L without harmonizing (cross entropy, ASL1) on this rank: a scalar."""
        local_examples = self.local_histogram[:-2].sum()
        return self.sums[0] / local_examples.where(local_examples > 0, 1.0).to(self.sums.dtype)

    @property
    def positive_share(self) -> Tensor | None:
        """Positives' share of the summed |gradient| of the logits, in [0, 1]: a scalar; None where undefined."""
        if not self.has_positives:
            return None
        return self.sums[2] / self.sums[1].where(self.sums[1] > 0, 1.0)

    @property
    def histogram(self) -> Tensor:
        """[bins] fraction of this batch's examples in each unit region."""
        return self.estimate.batch_fractions.view(self.bins, -1).sum(1)

    @property
    def fractions(self) -> Tensor:
        """[bins] fraction of the examples in each unit region, averaged over iterations."""
        return self.estimate.fractions.view(self.bins, -1).sum(1)

    @property
    def beta(self) -> Tensor:
        """[bins] harmonizing weight at the centre of each unit region."""
        table = self.table.view(self.bins, -1)
        return table[:, table.shape[1] // 2]

    @property
    def occupied_regions(self) -> Tensor:
        """Unit regions that hold an example of this batch: a scalar."""
        return (self.histogram > 0).sum()

    @property
    def largest_beta(self) -> Tensor:
        """Largest harmonizing weight that an example of this batch got: a scalar."""
        return self.table.where(self.estimate.batch_fractions > 0, 0.0).max()

    def __repr__(self) -> str:
        """Return the numbers to look at first; waits for the device."""
        return _shown(
            "Diagnostics",
            plain_loss=self.plain_loss,
            positive_share=self.positive_share,
            occupied_regions=self.occupied_regions,
            largest_beta=self.largest_beta,
        )


@dataclass(frozen=True, repr=False)
class PlainDiagnostics:
    """The last call of a loss without harmonizing: the same names, None where there is no density."""

    plain_loss: Tensor
    """Mean of w L over the examples (cross entropy, the loss itself for boxes): a scalar."""
    positive_share: Tensor | None = None
    """Positives' share of the summed |gradient| of the logits, in [0, 1]: a scalar; None where undefined."""
    counts: Tensor | None = None
    """[bins] what examples of this rank are in each unit region of the gradient norm; None where it has none."""
    fractions: None = None
    beta: None = None
    largest_beta: None = None

    @property
    def histogram(self) -> Tensor | None:
        """[bins] fraction of this batch's examples in each unit region, of this rank."""
        return None if self.counts is None else self.counts * inverse(self.counts.sum())

    @property
    def occupied_regions(self) -> Tensor | None:
        """Unit regions that hold an example of this batch: a scalar."""
        return None if self.counts is None else (self.counts > 0).sum()

    def __repr__(self) -> str:
        """Return the numbers to look at first; waits for the device."""
        return _shown(
            "PlainDiagnostics",
            plain_loss=self.plain_loss,
            positive_share=self.positive_share,
            occupied_regions=self.occupied_regions,
        )
