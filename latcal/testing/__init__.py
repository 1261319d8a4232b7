"""For authors of plugins: conformance suites, samples and fakes."""
