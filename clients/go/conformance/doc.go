// Package conformance has no code but its tests: the suite that every client runs, described in tests/conformance of the repository.
package conformance
