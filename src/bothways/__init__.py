"""bothways: energy both ways between vehicles, buildings and the grid.

The package root stays empty of imports, so that ``import bothways`` is quick; take what you need from the
sub-packages (``bothways.tariffs``, ``bothways.planning``, ``bothways.studies``, …). Their order and what each is
for stands in ``docs/explanation/architecture.md``.
"""

__version__ = "0.1.0"
