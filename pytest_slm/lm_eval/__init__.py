"""lm-eval's tasks as a library, behind one seam."""
