"""What runs inside of the sandbox: read as text and started by the interpreter in there, never imported."""
