package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
)

// subject describes a measurement: the backend, the catalogue and the machine.
type subject struct {
	Backend   string `json:"backend"`
	Catalogue string `json:"catalogue"`
	Products  int    `json:"products,omitzero"`
	// Duplicates is the number of products that were left out, since an earlier product has the same id.
	Duplicates int    `json:"duplicates,omitzero"`
	Bytes      int64  `json:"bytes,omitzero"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPUs       int    `json:"cpus"`
	Go         string `json:"go"`
}

func newSubject(o options, c catalogue) subject {
	return subject{
		Backend: o.backend, Catalogue: o.catalogue, Products: c.products, Duplicates: c.duplicates, Bytes: c.bytes,
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version(),
	}
}

func (s subject) String() string {
	text := s.Backend + ", " + s.Catalogue
	if s.Products > 0 {
		text += fmt.Sprintf(", %d products, %.1f MB", s.Products, float64(s.Bytes)/1e6)
	}
	if s.Duplicates > 0 {
		text += fmt.Sprintf(" without %d duplicates", s.Duplicates)
	}
	return fmt.Sprintf("%s; %d CPUs, %s/%s, %s", text, s.CPUs, s.OS, s.Arch, s.Go)
}

// figure is one of the figures in a result. A figure that is 0 was not measured.
type figure struct {
	name   string
	of     func(*result) *float64
	unit   float64 // the divisor for printing
	digits int
}

func (f figure) format(v float64) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v/f.unit, 'f', f.digits, 64)
}

const mib = 1 << 20

// figures has the figures of a result, in the order of printing.
var figures = []figure{
	{"products", func(r *result) *float64 { return &r.Products }, 1, 0},
	{"wall time, s", func(r *result) *float64 { return &r.Wall }, 1, 2},
	{"products a second", func(r *result) *float64 { return &r.PerSecond }, 1, 0},
	{"CPU time, s", func(r *result) *float64 { return &r.CPU }, 1, 2},
	{"allocated, MiB", func(r *result) *float64 { return &r.Allocated }, mib, 1},
	{"peak memory, MiB", func(r *result) *float64 { return &r.Peak }, mib, 1},
	{"… without mapped files, MiB", func(r *result) *float64 { return &r.PeakOwn }, mib, 1},
	{"on disk, MiB", func(r *result) *float64 { return &r.Disk }, mib, 1},
	{"query p50, µs", func(r *result) *float64 { return &r.Query.P50 }, 1, 0},
	{"query p95, µs", func(r *result) *float64 { return &r.Query.P95 }, 1, 0},
	{"shopper query p50, µs", func(r *result) *float64 { return &r.Shopper.P50 }, 1, 0},
	{"shopper query p95, µs", func(r *result) *float64 { return &r.Shopper.P95 }, 1, 0},
	{"hits of the queries", func(r *result) *float64 { return &r.Hits }, 1, 0},
	{"settled after, s", func(r *result) *float64 { return &r.Settled.After }, 1, 1},
	{"settled: CPU time, s", func(r *result) *float64 { return &r.Settled.CPU }, 1, 2},
	{"settled: peak memory, MiB", func(r *result) *float64 { return &r.Settled.Peak }, mib, 1},
	{"settled: on disk, MiB", func(r *result) *float64 { return &r.Settled.Disk }, mib, 1},
	{"settled: query p50, µs", func(r *result) *float64 { return &r.Settled.Query.P50 }, 1, 0},
	{"settled: query p95, µs", func(r *result) *float64 { return &r.Settled.Query.P95 }, 1, 0},
	{"settled: shopper query p50, µs", func(r *result) *float64 { return &r.Settled.Shopper.P50 }, 1, 0},
	{"settled: shopper query p95, µs", func(r *result) *float64 { return &r.Settled.Shopper.P95 }, 1, 0},
}

const header = "round  load     products   wall s    cpu s  peak MiB   own MiB  disk MiB  query µs  settled µs"

func (r result) row(round, load string) string {
	return fmt.Sprintf("%-6s %-8s %8.0f %8.2f %8.2f %9.1f %9.1f %9.1f %9.0f %11.0f",
		round, load, r.Products, r.Wall, r.CPU, r.Peak/mib, r.PeakOwn/mib, r.Disk/mib, r.Query.P50, r.Settled.Query.P50)
}

// median returns the median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// medians returns the median of each figure.
func medians(rounds []result) (m result) {
	for _, f := range figures {
		var values []float64
		for i := range rounds {
			values = append(values, *f.of(&rounds[i]))
		}
		*f.of(&m) = median(values)
	}
	return m
}

func bounds(values []float64) (low, high float64) { return slices.Min(values), slices.Max(values) }

// progress returns the writer for the table of the rounds.
func progress(o options) io.Writer {
	if o.json {
		return os.Stderr
	}
	return os.Stdout
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
