package reindextest

import "os"

// TempInMemory makes the folder of temporary files, that of [testing.T.TempDir] included, one in memory if the system
// has one with room for it and TMPDIR does not name another one. A TestMain calls it whose tests wait for the disk all
// the time, and which end processes and not machines.
func TempInMemory() {
	if os.Getenv("TMPDIR") != "" {
		return
	}
	if dir := MemoryDir(); dir != "" {
		_ = os.Setenv("TMPDIR", dir) // if this fails the tests are slower
	}
}
