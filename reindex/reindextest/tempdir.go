package reindextest

import "os"

// TempInMemory moves the folder of temporary files, which [testing.T.TempDir] also uses, into memory. It does nothing
// if TMPDIR is set or if [MemoryDir] returns none. It is meant for a TestMain whose tests mostly wait for the disk.
// Files in memory outlive processes, but not the machine.
func TempInMemory() {
	if os.Getenv("TMPDIR") != "" {
		return
	}
	if dir := MemoryDir(); dir != "" {
		_ = os.Setenv("TMPDIR", dir) // without it the tests are only slower
	}
}
