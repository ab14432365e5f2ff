package main

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"
)

// memoryWatch notes how much memory of its own this process has at most: without the files that it has mapped, of which
// the system drops what it needs for something else.
type memoryWatch struct {
	stop chan struct{}
	done sync.WaitGroup
	most float64
}

// watchInterval is short beside the time in which a load's memory grows, and costs less than 1 % of a CPU.
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

// end returns the most that was seen, in bytes.
func (w *memoryWatch) end() float64 {
	close(w.stop)
	w.done.Wait()
	return w.most
}

// memory returns one of this process's sizes in memory in bytes, if Linux reports it: VmHWM is the peak of its
// resident memory, RssAnon what it has of its own now.
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
