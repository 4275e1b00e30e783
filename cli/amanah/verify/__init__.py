"""`amanah verify`: a second pair of eyes on what a deployment left in Kafka and in its databases.

It shares nothing with the services: another Kafka client (librdkafka), plain SQL, no service code, no event class.

records.py   every record of every topic, as it lies in Kafka
books.py     what the databases hold, by plain SQL
history.py   what an outside client was told: each 201, and what the log it files says of the complaint
evidence.py  the three side by side, in the shapes that checks ask for
checks.py    each promise as a pure function from the evidence to findings
result.py    findings and figures
run.py       gathers the evidence of a stack and judges it
"""
