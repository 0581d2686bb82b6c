"""Plots as SVG that is made while a page is built: lines, curves, the best trade-offs, maps."""
