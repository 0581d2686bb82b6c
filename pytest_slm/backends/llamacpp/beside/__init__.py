"""What stands beside the weights: an adapter that changes them, a model that drafts for them, the GPU they are on."""
