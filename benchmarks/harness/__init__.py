"""What several benchmarks and the tests of the service share: the real service, and a load."""
