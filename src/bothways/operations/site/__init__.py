"""The control loop of one site: measure, estimate, plan, dispatch, command, compare."""
