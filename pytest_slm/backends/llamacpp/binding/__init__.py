"""The C functions and structures of llama.cpp that we use, and nothing else, whichever library is there.

- ``layouts``    how the structures lie in memory that are handed over by value, and how that is probed
- ``functions``  the functions, with the types of their arguments, and what ik_llama.cpp calls them
- ``library``    an open library: which dialect it speaks, which version it is
- ``installed``  where the packages that ship one keep it
"""
