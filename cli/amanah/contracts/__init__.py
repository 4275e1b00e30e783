"""Behind `amanah contracts`: all that is generated from `amanah_contracts`, and the proof that it is current and compatible.

Reading order: `topics` and `schemas` read what is written by hand; `compatibility` and `consistency` judge it; `asyncapi`,
`pages` and `flow` tell of it; `artefacts` puts the files together. The command line is `amanah.commands.contracts`.
"""
