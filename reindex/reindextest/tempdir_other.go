//go:build !linux

package reindextest

// MemoryDir returns "": there is no folder in memory.
func MemoryDir() string { return "" }
