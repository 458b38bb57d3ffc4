"""Safe Motion: a line of dialogue becomes motion that keeps the eyes open and the face whole."""
