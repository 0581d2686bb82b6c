"""Scorers of guardrails: did the model refuse, did it give away a secret, did it follow somebody else's instruction?"""
