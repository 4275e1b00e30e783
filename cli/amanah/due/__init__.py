"""`amanah due`: the public calculator on the command line.

lines.py   a question a line, an answer a line
words.py   one answer as a person reads it
"""
