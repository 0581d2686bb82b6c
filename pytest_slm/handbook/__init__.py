"""The hub's own pages: facts of models from the Hugging Face Hub (``sync``), and a Markdown page of each."""
