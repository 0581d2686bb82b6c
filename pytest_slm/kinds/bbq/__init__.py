"""BBQ, the bias benchmark for question answering."""
