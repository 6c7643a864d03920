"""When a driver will really leave, as far as the site can know: what was declared, made cautious by experience."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bothways.mobility.declared import DepartureModel, Finished
from bothways.studies.inputs import StudyInputs

Ints = NDArray[np.int64]


class CautiousDepartures:
    """Learns from stays as they end, and says for each stay until when the site may count on the vehicle.

    The cautious departure is fixed at plug-in: at most ``1 - departure_confidence`` of stays should end before it.
    Once it has passed, the vehicle may leave at any moment, so what was promised has to be there.
    """

    def __init__(self, inputs: StudyInputs) -> None:
        self._inputs = inputs
        self._model = DepartureModel()
        self._until = np.zeros(inputs.stays.size, dtype=np.int64)

    def arrived(self, i: int) -> None:
        """Stay ``i`` has begun."""
        inputs = self._inputs
        if inputs.declared_s[i] < 0:
            return
        when = self._model.cautious_departure(
            arrival_s=int(inputs.arrival_s[i]),
            declared_departure_s=int(inputs.declared_s[i]),
            confidence=inputs.settings.departure_confidence,
            vehicle_id=inputs.vehicle_id[i],
        )
        if when is not None:
            grid = inputs.grid
            self._until[i] = max(inputs.stays.arrival[i] + 1, (when - grid.start_s) // grid.step_s)

    def left(self, i: int) -> None:
        """Stay ``i`` has ended: what was declared can be compared with what happened."""
        inputs, stays = self._inputs, self._inputs.stays
        said = int(inputs.declared_s[i])
        room = (stays.target_kwh[i] - stays.energy_kwh[i]) / stays.eta_c[i]
        asked = (stays.asked_kwh[i] - stays.energy_kwh[i]) / stays.eta_c[i]
        self._model.learn(
            Finished(
                arrival_s=int(inputs.arrival_s[i]),
                departure_s=int(inputs.departure_s[i]),
                declared_departure_s=said if said >= 0 else None,
                requested_kwh=float(asked) if said >= 0 else None,
                delivered_kwh=float(room),
                vehicle_id=inputs.vehicle_id[i],
            )
        )

    def steps_left(self, who: Ints, now: int) -> Ints:
        """Steps until the cautious departure of stays ``who``, this one included; at least 1."""
        return np.maximum(1, self._until[who] - now)
