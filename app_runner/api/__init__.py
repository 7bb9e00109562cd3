"""HTTP: resources, schemas and the API document."""
