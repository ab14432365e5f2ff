//go:build race

package bleveindex

// raceDetected reports whether the tests run under the race detector.
const raceDetected = true
