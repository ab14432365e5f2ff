//go:build race

package acidtest

const (
	// raceDetected reports whether the tests run under the race detector.
	raceDetected = true
	// goneBack is 0, because under the race detector a rollback hardly catches up with the writers.
	goneBack = 0
)
