"""The place of a file among others, in words."""

from __future__ import annotations


def rank_text(rank: int, between: tuple[int, int] | None, among: int | None) -> str:
    """``rank 1 (1-2) of 2``: behind a rank stand the best and the worst one that all intervals allow."""
    low, high = between or (rank, rank)
    return f"rank {rank}{'' if low == high else f' ({low}–{high})'} of {among}"


def place_text(rank: int | None, between: tuple[int, int] | None, ranked: int | None, unranked: str) -> str:
    """The place of an aggregate in words; empty where nobody has ranked it."""
    if rank:
        return f"{rank_text(rank, between, ranked)} on this machine"
    return f"not ranked: {unranked}" if unranked else ""
