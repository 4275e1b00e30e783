"""`amanah replay`: a city's own complaint log through the real system, in virtual time.

log.py      rows of the file, each sound or rejected with line and reason
agenda.py   what happens at which instant (pure)
citizen.py  files each row over HTTP
office.py   plays the agencies (and the person in triage) through their own topics
pipeline.py the clock's hand, and the question whether everything has drained
drive.py    the run itself
horizon.py  how long nothing can fall due by a law that counts (pure)
draft.py    a draft of the rules: checked, and laid out as the pack that the run uses
what_if.py  what the draft breaches beside what the present rules breach, and whether the run said so (pure)
outcome.py  facts, clocks and breaches as the run left them
session.py  a fresh deployment around the run, and the check of what it left
"""
