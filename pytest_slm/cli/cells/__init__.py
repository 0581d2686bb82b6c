"""Commands about cells: listed, merged, and measured on a fleet."""
