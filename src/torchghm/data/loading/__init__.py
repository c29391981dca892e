"""Images and targets as torch has them: the part of `torchghm.data` that needs torchvision."""
