"""Samples that try to make a model do what it should not, each sort beside benign ones that look alike."""
