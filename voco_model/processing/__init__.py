"""From conversations and pictures to batches: templates, pictures, tokens, segments."""
