package reindextest

import "syscall"

// MemoryDir returns a folder in memory that has 2 GiB free and allows the execution of programs, or "" if there is
// none.
func MemoryDir() string {
	const (
		memory = "/dev/shm"
		needed = 2 << 30 // bytes
		noExec = 8
	)
	var fs syscall.Statfs_t
	err := syscall.Statfs(memory, &fs)
	if err != nil || uint64(fs.Flags)&noExec != 0 || fs.Bavail*uint64(fs.Bsize) < needed {
		return ""
	}
	return memory
}
