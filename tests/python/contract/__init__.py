# SPDX-License-Identifier: MIT
"""What users of the Python API may rely on, tested on every engine.

`cases/` is a table: pipelines, calls and what comes of them, written by hand. `test_cases.py` runs
each case on each engine of `engines.py`: values and their types, node calls, errors, events, a cold
and a warm cache, records and columns. What is no run or map is in a file for each section.
"""
