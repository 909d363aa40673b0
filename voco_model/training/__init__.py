"""The three stages of training: align, instruct, continue on video."""
