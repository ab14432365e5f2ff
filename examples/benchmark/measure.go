package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// The two loads of a round.
const (
	loadEngine  = "engine"
	loadLibrary = "library"
)

// result has the figures of one load. Times are in seconds and sizes in bytes. 0 means that a figure was not measured.
type result struct {
	// Products is the number of products that a search finds at the end.
	Products float64 `json:"products"`
	// Wall and CPU are the times of the load, until searches find all products.
	Wall      float64 `json:"wall_s"`
	PerSecond float64 `json:"products_per_s"`
	CPU       float64 `json:"cpu_s"`
	// Allocated is the sum of all allocations on the Go heap. Peak is the peak of the process's resident memory, and
	// PeakOwn that peak without mapped files.
	Allocated float64 `json:"allocated_bytes"`
	Peak      float64 `json:"peak_bytes"`
	PeakOwn   float64 `json:"peak_own_bytes"`
	// Disk is the size of the index in its folder.
	Disk float64 `json:"disk_bytes,omitzero"`
	// Query and Shopper are the latencies, right after the load, of queries for names and of queries by shoppers. Hits
	// is the number of products that all of them find.
	Query   latency `json:"query,omitzero"`
	Shopper latency `json:"shopper,omitzero"`
	Hits    float64 `json:"hits,omitzero"`
	// Settled has the figures after all work in the background has ended.
	Settled settled `json:"settled,omitzero"`
}

// settled has the figures of an index whose segments have been merged. CPU and Peak are those of the whole process.
type settled struct {
	After   float64 `json:"after_s"`
	CPU     float64 `json:"cpu_s"`
	Peak    float64 `json:"peak_bytes"`
	Disk    float64 `json:"disk_bytes"`
	Query   latency `json:"query"`
	Shopper latency `json:"shopper,omitzero"`
}

// measureInChild runs one load in a process of its own, so that the heap and the caches of one load do not affect the
// other.
func measureInChild(ctx context.Context, o options, c catalogue, load string, round int) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	args := []string{
		"-backend", o.backend, "-load", load, "-file", c.file, "-queries", c.queries, "-settle", o.settle.String(),
	}
	if o.cpuprofile != "" {
		file := fmt.Sprintf("%s-%d-%s-%d.pprof", o.backend, c.products, load, round)
		args = append(args, "-profile", filepath.Join(o.cpuprofile, file))
	}
	cmd := exec.CommandContext(ctx, self, args...)
	// This process removes the folder of the queries, even if the child is killed.
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Dir(c.queries))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, err
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, fmt.Errorf("reading the measurement %q: %w", out, err)
	}
	return r, nil
}

// printOne measures one load in this process.
func printOne(ctx context.Context, o options) (err error) {
	loads := map[string]loader{loadEngine: backends[o.backend].engine, loadLibrary: backends[o.backend].library}
	load, ok := loads[o.child.load]
	if !ok {
		return fmt.Errorf("there is no load %q", o.child.load)
	}
	dir, err := os.MkdirTemp("", "productindex-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, l, err := measureLoad(ctx, load, o.child, dir)
	if err != nil {
		return err
	}
	if err := errors.Join(look(ctx, &r, l, o, dir), l.close()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// measureLoad measures a load. The caller closes the loaded index.
func measureLoad(ctx context.Context, load loader, j job, dir string) (result, loaded, error) {
	stop, err := profile(j.profile)
	if err != nil {
		return result{}, loaded{}, err
	}
	watch := watchMemory()
	before := cpuTime()
	start := time.Now()
	l, err := load(ctx, j.file, dir)
	wall, cpu := time.Since(start).Seconds(), (cpuTime() - before).Seconds()
	own := watch.end()
	if err := errors.Join(err, stop()); err != nil {
		return result{}, loaded{}, err
	}
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	return result{
		Products: float64(l.products), Wall: wall, PerSecond: float64(l.products) / wall, CPU: cpu,
		Allocated: float64(heap.TotalAlloc), Peak: memory("VmHWM"), PeakOwn: own,
	}, l, nil
}

// look measures the index at the end of a load, and again after it has settled.
func look(ctx context.Context, r *result, l loaded, o options, dir string) (err error) {
	if r.Disk, err = diskUsage(dir); err != nil {
		return err
	}
	end := time.Now()
	f, err := l.measureQueries(ctx, o.child.queries)
	if r.Query, r.Shopper, r.Hits = f.names, f.shopper, f.hits; err != nil || l.search == nil {
		return err
	}
	quiet, err := settle(ctx, dir, o.settle)
	if err != nil || quiet.IsZero() {
		return err
	}
	s := settled{After: max(0, quiet.Sub(end).Seconds()), CPU: cpuTime().Seconds(), Peak: memory("VmHWM")}
	if s.Disk, err = diskUsage(dir); err != nil {
		return err
	}
	f, err = l.measureQueries(ctx, o.child.queries)
	s.Query, s.Shopper = f.names, f.shopper
	r.Settled = s
	return err
}

// settleTimeout limits the wait for an index to settle. Millions of products can take this long.
const settleTimeout = 15 * time.Minute

// settle waits until, for the given time, this process has used at most a twentieth of a CPU and the folder has not
// changed. It returns the beginning of that time. This works for every index, whatever its work in the background. It
// returns the zero time if the CPU time is not known.
func settle(ctx context.Context, dir string, quiet time.Duration) (time.Time, error) {
	if cpuTime() == 0 {
		return time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	tick := time.NewTicker(quiet / 4)
	defer tick.Stop()
	since, used, size := time.Now(), cpuTime(), -1.0
	for time.Since(since) < quiet {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("waiting for the end of the work in the background: %w", ctx.Err())
		}
		now, err := diskUsage(dir)
		if err != nil {
			return time.Time{}, err
		}
		if now != size || cpuTime()-used > quiet/20 {
			since, used, size = time.Now(), cpuTime(), now
		}
	}
	return since, nil
}

// profile starts a CPU profile if the job has a file for it. The returned function ends the profile.
func profile(file string) (stop func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return out.Close()
	}, nil
}

// diskUsage returns the size of the files in a folder.
func diskUsage(dir string) (bytes float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreGone(err)
		}
		info, err := entry.Info()
		if err == nil {
			bytes += float64(info.Size())
		}
		return ignoreGone(err)
	})
	return bytes, err
}

// ignoreGone ignores the error of a file that has been removed.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
