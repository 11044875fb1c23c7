"""The examples, done by a real worker against real servers on this machine."""
