"""The steps of the workflows in ``.github/workflows``, as commands that can be tried anywhere (docs/ci.md).

What a stranger has written (a pull request, a comment, an artifact) is data here: it is looked up at one commit,
bounded, checked and escaped; nothing of it is a path, a command or an environment.

- ``github``      GitHub's REST API: requests, pull requests, statuses, comments
- ``job``         what the runner says of the job, and the files that it reads
- ``comments``    a comment to a command, and who may give one
- ``submitting``  what a submission's headers say, as Markdown
- ``orders``      what is to be measured: the file, its commit, the mode
- ``planning``    the jobs of an order
- ``measuring``   one of these jobs
- ``artifacts``   what a job hands over, with the hash of every file
- ``collecting``  artifacts of a run, checked
- ``git``         git without the user's settings
- ``publishing``  reports to the registry, the pages and a commit
"""
