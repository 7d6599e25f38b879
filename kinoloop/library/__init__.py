"""Behind `import kinoloop`: private modules that `kinoloop/__init__.py` alone hands on."""
