"""Old module and attribute names, answered by an import finder from one table."""

from app_runner.compat.finder import install

__all__ = ["install"]
