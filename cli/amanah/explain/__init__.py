"""`amanah explain`: why a deadline falls when it does.

fetch.py      the receipts of a complaint, from a running SLA monitor
recompute.py  whether a saved receipt holds, by the pack's law and the pure domain: no network, no database
words.py      a receipt as a person reads it
"""
