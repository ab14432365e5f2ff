//go:build unix

package reindextest

import (
	"syscall"
	"time"
)

// cpuTime returns the time for which this process has used CPUs, in its own code and the system's; 0: not known.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
