"""Starts and ends the processes of a runner: supervisor, embedded broker, demo client."""
