"""Scorers for answers that should rest on given passages: citations, abstention, short answers, unsupported claims."""
