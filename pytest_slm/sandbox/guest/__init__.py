"""What runs inside of the sandbox: these files are read as text and started by the interpreter in there, never imported."""
