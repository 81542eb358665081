"""Word vectors: from pictures by a classifier's activations, and from text; queries, translation, human judgements."""
