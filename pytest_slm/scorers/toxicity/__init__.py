"""How toxic a text is, by a classifier that is named, versioned and measured."""
