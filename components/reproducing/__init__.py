"""The paper's picture on the small world: one token keeps most, more tokens buy the rest."""
