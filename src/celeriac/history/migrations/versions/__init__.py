"""Speaks Alembic: one file for each step; a published step never changes."""
