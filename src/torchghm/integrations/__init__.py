"""GHM in other people's trainers, one module a host, imported by name: ``import torchghm.integrations.transformers``.

Each needs its host, which is an extra of the same name: ``pip install 'torchghm[transformers]'``. docs/hosts.md has the
line to write for each, what it replaces and which versions it was tested with.
"""
