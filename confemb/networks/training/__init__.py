"""Training networks: the loop, its options, checkpoints, several networks or devices at once.

Start reading at: `loop`, then `options`.
"""
