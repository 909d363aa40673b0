<<<<<<< HEAD
"""What the export step is made of."""
=======
"""The parts of the export step."""
>>>>>>> late2
