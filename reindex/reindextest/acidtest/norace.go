//go:build !race

package acidtest

const (
	// raceDetected reports whether the tests run under the race detector.
	raceDetected = false
	// goneBack is the percentage of reindexes, and of rollbacks, that a rollback follows. Two rollbacks in a row lead
	// back to the first generation.
	goneBack = 30
)
