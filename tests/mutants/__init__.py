"""Mutation testing: bugs are put into copies of the code, and its tests must find them.

`planting.py` puts one in, `changes.py` derives them from the code, `killing.py` runs the tests, and
`subjects.py` says what is changed and which tests must find it. The bugs of `execution/` are in
`tests/execution/mutants.py`: the fuzzer there must find them.
"""
