"""Dead letters: what they are, where they lie, and how they are given to their service again."""
