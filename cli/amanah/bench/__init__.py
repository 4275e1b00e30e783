"""`amanah bench`: how fast, always as a ratio against a bare hand-written loop in the same run on the same servers.

lines.py     what a bench says: one JSON object a line
fill.py      puts events on a topic, quickly
consume.py   one consumer with its database effects
burst.py     many deadlines at one instant
calendar.py  the n-th working day
"""
