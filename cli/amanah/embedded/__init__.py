"""Real PostgreSQL and real Apache Kafka on a bare machine, with the services beside them. See `stack.Stack`."""
