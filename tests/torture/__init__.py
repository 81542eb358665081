"""Trials of the whole program: what a hostile file, a full disk or a kill does to it."""
