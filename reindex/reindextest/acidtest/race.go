//go:build race

package acidtest

// raceDetected reports whether the tests run under the race detector.
const raceDetected = true
