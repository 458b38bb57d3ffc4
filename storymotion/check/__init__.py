"""Looks at a finished shot: does it stay like its picture, does it move, do lines flicker, does it flash?

Frames in (small, one at a time), figures and a verdict out; memory does not grow with the length of the shot.
Nothing here is learned from data: it is arithmetic on pixels, so it sees change and cannot tell good from bad.
numpy and Pillow are imported where they are used, so importing this package costs nothing.
"""
