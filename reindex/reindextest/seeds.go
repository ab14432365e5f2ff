package reindextest

import "os"

// Seeds returns the number of seeds, or rounds, for a test of random sequences: many if CI=true is set, and otherwise
// few. CI also runs these tests with the race detector, which makes them ten times slower. Then Seeds returns only a
// third of few, but at least 2 unless few is less.
func Seeds(few, many int) int {
	switch ci := os.Getenv("CI") == "true"; {
	case ci && RaceDetected:
		return min(few, max(few/3, 2))
	case ci:
		return many
	}
	return few
}
