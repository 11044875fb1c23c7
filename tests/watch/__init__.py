"""Jobs watched live."""
