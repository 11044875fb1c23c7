"""The record tells the truth about every job, whatever happens to it."""
