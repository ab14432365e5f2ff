//go:build !race

package acidtest

const (
	// raceDetected reports whether the tests run under the race detector.
	raceDetected = false
	// goneBack is after how many of a hundred reindexes, and of rollbacks, the index goes back to the generation that was
	// replaced last. Twice in a row is forward again.
	goneBack = 30
)
