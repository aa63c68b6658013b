"""A gateway at the edge of a network, of the blocks of fastblocks: see README.md."""
