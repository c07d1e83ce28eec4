"""What the conformance suites share: a running server, clients for it, functions to deploy."""
