"""GitHub's REST API, and what is read and written through it.

- ``client``    requests, answers within limits, waiting
- ``pulls``     a pull request and the one file of it
- ``statuses``  what was found out about a commit, and when
- ``talking``   one comment for each subject
"""
