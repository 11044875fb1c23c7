"""Speaks SQL, alone in the house: what happened, kept for search, statistics, and the day Redis loses its memory."""
