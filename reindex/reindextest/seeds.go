package reindextest

import "os"

// Seeds returns how many seeds, or rounds, a test of random sequences goes through: few, or many with CI=true. Under
// the race detector, which takes ten times as long, it is few in any case: CI runs these tests without it once more.
func Seeds(few, many int) int {
	if os.Getenv("CI") == "true" && !raceDetected {
		return many
	}
	return few
}
