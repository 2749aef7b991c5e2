"""The documentation site: what mkdocs.yml needs beside the pages under docs/ (`make docs`)."""
