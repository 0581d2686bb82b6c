"""Pages of documentation as items: ``pytest docs-site --slm-docs``."""
