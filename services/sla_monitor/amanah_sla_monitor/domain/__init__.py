"""Deadlines as a pure fold: facts, law and calendars in, clocks and decisions out. No I/O, no clock, no event class."""
