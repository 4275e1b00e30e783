"""After Kafka or a database has lost what it had: what one of them still has is brought back into the other.

places.py      which databases and which Kafka, and that no service is at work there
published.py   what lies in Kafka, held against the outboxes
readers.py     where the services' consumer groups begin
rebuild.py     topics made anew from the outboxes
reconcile.py   a database restored to an earlier time, and Kafka ahead of it
"""
