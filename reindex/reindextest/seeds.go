package reindextest

import "os"

// Seeds returns the number of seeds, or rounds, for a test of random sequences: many if CI=true is set, and otherwise
// few. Under the race detector, which makes such tests ten times slower, it returns few in any case; CI also runs them
// without it.
func Seeds(few, many int) int {
	if os.Getenv("CI") == "true" && !raceDetected {
		return many
	}
	return few
}
