"""The fault lab: one fault on a deployment of its own under load, in real time, and a checker that judges what is left.

model.py     the shapes of evidence: operations, records, rows, notices, anomalies
plan.py      what a run's citizens and agencies will do, all of it from one seed
history.py   what clients did and were told, one JSON object a line
load.py      the citizens;  office.py  the agencies
gather.py    evidence from Kafka, the databases, the receivers and the logs
checker/     evidence to named anomalies: pure, and without any code of the services
faults/      what each fault does, and the trace that proves that it bit
hands.py     how a process is killed, frozen or held down;  locks.py  how one is caught between two steps
lab.py       one run from its stack to its verdict;  table.py  many runs, for a person
"""
