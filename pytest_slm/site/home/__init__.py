"""The home page: a chooser of files, a table of all of them in pages that need no script, and what the script reads."""
