"""Another law for clocks that run: `amanah law diff` and `amanah law apply`.

`tally.py` (pure): whom it moves. `place.py`: where the monitor's tables are. `words.py`: the same for a person.
"""
