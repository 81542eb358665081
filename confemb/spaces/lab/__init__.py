"""The embedding-space lab: neighbours and analogies of words, vectors of pictures, measures of any vectors."""
