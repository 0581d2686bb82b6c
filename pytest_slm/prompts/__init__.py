"""From conversations to tokens, and back to text."""
