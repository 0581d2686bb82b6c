"""What a run will take before it is begun: requests, tokens, time, memory, disk; and how many samples fit into a time.

- ``rates``      how fast the opened model is here, measured in some seconds
- ``costs``      from requests and rates to seconds and bytes
- ``plan``       the plan of a run, as data
- ``allocate``   the samples of every item for a time budget
"""
