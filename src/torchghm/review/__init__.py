"""Which labels are wrong: what a training saw of every object, made into findings that a person decides on."""

from torchghm.review.memory import LabelMemory

__all__ = ["LabelMemory"]
