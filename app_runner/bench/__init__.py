"""Measures the runner's own cost against a bare Flask and Celery application."""
