"""Use cases around tasks: their queue, their records, the jobs that do their work."""
