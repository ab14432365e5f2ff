package main

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"
)

// memoryWatch records the peak of this process's own memory, without mapped files, which the system drops when it needs
// the memory.
type memoryWatch struct {
	stop chan struct{}
	done sync.WaitGroup
	most float64
}

// watchInterval is short compared with the growth of a load's memory, and costs less than 1 % of a CPU.
const watchInterval = 10 * time.Millisecond

func watchMemory() *memoryWatch {
	w := &memoryWatch{stop: make(chan struct{})}
	w.done.Go(func() {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			w.most = max(w.most, memory("RssAnon"))
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// end ends the watch and returns the peak in bytes.
func (w *memoryWatch) end() float64 {
	close(w.stop)
	w.done.Wait()
	return w.most
}

// memory returns a figure of this process's memory in bytes, or 0 if the system is not Linux. VmHWM is the peak of the
// resident memory, and RssAnon the current memory without mapped files.
func memory(name string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, found := bytes.Cut(status, []byte(name+":"))
	size, _, _ := bytes.Cut(rest, []byte(" kB"))
	kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 10, 64)
	if !found || err != nil {
		return 0
	}
	return float64(kilobytes) * 1024
}
