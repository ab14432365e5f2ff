//go:build race

package reindextest

// RaceDetected reports whether the tests run under the race detector.
const RaceDetected = true
