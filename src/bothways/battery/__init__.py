"""What every owner asks first: losses, ageing, the price of wear, warranty, state of health, second life.

The modules, each usable by itself:

- :mod:`bothways.battery.models`: the cells, as data (:data:`~bothways.battery.models.MODELS`);
- :mod:`bothways.battery.ageing`: remaining capacity and resistance of one battery or of a fleet;
- :mod:`bothways.battery.wear`: what a kWh of throughput and an hour at a state of charge cost;
- :mod:`bothways.battery.warranty`: caps per day and year, and the window of state of charge;
- :mod:`bothways.battery.losses`: AC↔DC efficiency at part load, stand-by, derating;
- :mod:`bothways.battery.health`: the record of a battery's life and its estimated capacity;
- :mod:`bothways.battery.certificate`: the words and bytes that a certificate signs;
- :mod:`bothways.battery.replacement`: when to replace a battery, and what it is worth then.

Whether feeding back harms a battery **depends on the cell**, so results are given for several cells side by side.
"""
