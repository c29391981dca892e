"""`python -m torchghm`."""

from torchghm.cli import main

main()
