"""A fleet: the cells of many models on several machines, each model loaded once on a machine.

- ``work``       cells, the groups that share a model, nodes
- ``scheduler``  who opens what, and who measures what next: pure, told what happened
- ``simulation`` the same with a clock that nobody waits for
- ``process``    one session of pytest that measures what it is asked for, as a child process
- ``session``    the side of that session
- ``driver``     from events to orders, and what comes back into the store
- ``cluster``    what the driver wants of machines; ``rays`` is Ray's
"""
