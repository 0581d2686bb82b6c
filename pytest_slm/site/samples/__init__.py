"""Samples on pages: what was asked, what came, and why that was right or wrong. Some stand on a report, all on pages of
their own."""
