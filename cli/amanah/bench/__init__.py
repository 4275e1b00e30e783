"""`amanah bench`: how fast, always as a ratio against a bare hand-written loop in the same run on the same servers.

lines.py        what a bench says: one JSON object a line
fill.py         puts events on a topic, quickly
consume.py      one consumer with its database effects
burst.py        many deadlines at one instant
idle.py         single deadlines beside millions of open clocks: idle_bare.py (the bare loop), open_clocks.py (the millions),
                lateness.py (what is planned and reckoned)
calendar.py     the n-th working day
recalculate.py  one new holiday over a million open clocks: recalculate_*.py
intake.py       filings over HTTP: http_load.py (who files), intake_bare.py
pipeline.py     from the committed row to the agency's topic: relay_alone.py, pipeline_bare.py, arrivals.py (what came)
journey.py      from a filing to the agency's topic at a steady rate: journey_bare.py
rebuild.py      `bench replay`, a service from its topics: life.py (what they tell), monitor_bare.py
footprint.py    starts and memory of everything
bare.py         what bare loops over Kafka share
processes.py    what processes use and hold
"""
