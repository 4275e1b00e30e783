"""The second pair of eyes: counts the law again, apart from the engine, and says aloud where the two differ.

`law.py`, `recount.py` and `casefile.py` import nothing of this service: they read the pack themselves and count by walking,
so that one mistake is not made twice. `watch.py` compares what they find with what was said.
"""
