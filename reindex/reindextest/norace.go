//go:build !race

package reindextest

// raceDetected reports whether the tests run under the race detector.
const raceDetected = false
