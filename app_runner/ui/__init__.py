"""Forms, the console and their static files: what a person sees in a browser."""
