"""The process that holds a model: started, shared, spoken to, and measured."""
