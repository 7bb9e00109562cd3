"""Kills what a runner consists of, on purpose, and checks that no task suffers."""
