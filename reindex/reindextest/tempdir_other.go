//go:build !linux

package reindextest

// MemoryDir returns "", because this system has no folder in memory.
func MemoryDir() string { return "" }
