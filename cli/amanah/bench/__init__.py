"""`amanah bench`: how fast, always as a ratio against a bare hand-written loop in the same run on the same servers.

lines.py        what a bench says: one JSON object a line
fill.py         puts events on a topic, quickly
consume.py      one consumer with its database effects
burst.py        many deadlines at one instant
idle.py         single deadlines beside millions of open clocks: idle_bare.py (the bare loop), open_clocks.py (the millions),
                lateness.py (what is planned and reckoned)
calendar.py     the n-th working day
"""
