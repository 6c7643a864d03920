"""The island controller: a pure state machine that keeps a building on while the grid is away.

``step(state, inputs, site)`` in :mod:`~bothways.resilience.island.machine` is all there is to call: no clock, no
input or output, no memory outside the state. Every command passes :mod:`~bothways.resilience.island.interlock`.
"""
