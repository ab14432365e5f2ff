package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// The two loads of a round.
const (
	loadEngine  = "engine"
	loadLibrary = "library"
)

// result is what one load took.
type result struct {
	// Products that a search of the index can find at the end.
	Products int64 `json:"products"`
	// Wall and CPU time of the load, in seconds.
	Wall float64 `json:"wall"`
	CPU  float64 `json:"cpu"`
	// Allocated is the sum of all allocations on the Go heap, in bytes.
	Allocated uint64 `json:"allocated"`
	// Peak is the process's peak resident memory, in bytes; 0 where the system does not tell it.
	Peak int64 `json:"peak"`
}

const header = "round  load     products   wall s    cpu s  allocated MiB  peak MiB"

func (r result) row(round, load string) string {
	return fmt.Sprintf("%-6s %-8s %8d %8.2f %8.2f %14.1f %9.1f", round, load, r.Products, r.Wall, r.CPU, float64(r.Allocated)/(1<<20), float64(r.Peak)/(1<<20))
}

// measureInChild runs one load in a process of its own, so that neither the heap nor the caches of one weigh on the other.
func measureInChild(ctx context.Context, o options, load string) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-backend", o.backend, "-file", o.file, "-load", load)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, err
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, fmt.Errorf("reading the measurement %q: %w", out, err)
	}
	r.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return r, nil
}

// printOne measures one load in this process.
func printOne(ctx context.Context, o options) error {
	loads := map[string]loader{loadEngine: backends[o.backend].engine, loadLibrary: backends[o.backend].library}
	load, ok := loads[o.load]
	if !ok {
		return fmt.Errorf("there is no load %q", o.load)
	}
	start := time.Now()
	products, err := load(ctx, o.file)
	if err != nil {
		return err
	}
	r := result{Products: products, Wall: time.Since(start).Seconds(), Peak: peakMemory()}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	r.Allocated = memory.TotalAlloc
	return json.NewEncoder(os.Stdout).Encode(r)
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory returns this process's peak resident memory in bytes, where Linux tells it.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	found := peakLine.FindSubmatch(status)
	if found == nil {
		return 0
	}
	kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(found[1])), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

// summary prints the medians of both loads, and last how many times as fast the engine is: the median of the rounds' ratios.
func summary(engine, library []result) {
	median := func(of []result, figure func(result) float64) float64 {
		values := make([]float64, 0, len(of))
		for _, r := range of {
			values = append(values, figure(r))
		}
		slices.Sort(values)
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	medians := func(of []result) result {
		return result{
			Products:  of[0].Products,
			Wall:      median(of, func(r result) float64 { return r.Wall }),
			CPU:       median(of, func(r result) float64 { return r.CPU }),
			Allocated: uint64(median(of, func(r result) float64 { return float64(r.Allocated) })),
			Peak:      int64(median(of, func(r result) float64 { return float64(r.Peak) })),
		}
	}
	fmt.Println(medians(engine).row("median", loadEngine))
	fmt.Println(medians(library).row("median", loadLibrary))
	ratios := make([]result, 0, len(engine))
	for i := range engine {
		ratios = append(ratios, result{Wall: library[i].Wall / engine[i].Wall})
	}
	fmt.Printf("ratio=%.2f\n", median(ratios, func(r result) float64 { return r.Wall }))
}
