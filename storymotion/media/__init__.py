"""Video files: uint8 frames and sound in, MP4 out (``encode``), shots joined into a film (``join``), what a file holds
(``probe``).

Built on PyAV (FFmpeg's libraries); nothing here starts another program. PyAV and numpy are imported
where they are used, so importing this package costs nothing.
"""
