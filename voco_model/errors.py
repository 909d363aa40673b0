"""The one error a user is meant to see: what is wrong, where, and the way out, in one line."""


class VocoError(ValueError):
    """A mistake in an input, a file or a setting; the message names it and says what to do instead."""
