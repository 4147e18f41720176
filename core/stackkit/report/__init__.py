"""The record of a run: what is kept of it, how it is read again, and the tables made of it.

`report` is the JSON document, `record` and `record_files` a whole run with all answers, `runs` the
folder of runs without --out. `table` is for the console, `caveats` for the notes below it, `paper_table`
and what imports it for papers. `comparable` and `between_runs` compare records.
"""
