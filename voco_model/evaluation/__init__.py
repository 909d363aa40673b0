"""Every benchmark of the paper, scored as its authors score it."""
