//go:build linux

package reindex_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"productindex/reindex"
)

// BenchmarkMemory reads 1 and 10 million products from a source that makes them as it goes, each in a process of its
// own, and reports the peak of its resident memory. The difference is the cost of the ids of 9 million more products.
func BenchmarkMemory(b *testing.B) {
	peaks := map[int]float64{}
	for _, millions := range []int{1, 10} {
		b.Run(fmt.Sprintf("%dM", millions), func(b *testing.B) {
			for b.Loop() {
				peaks[millions] = max(peaks[millions], peakOf(b, millions*1_000_000))
			}
			b.ReportMetric(peaks[millions]/(1<<20), "peak-MiB")
			if peaks[1] > 0 && millions == 10 {
				b.ReportMetric((peaks[10]-peaks[1])/9e6, "bytes/id")
			}
		})
	}
}

// peakOf runs TestGenerated in a process of its own and returns that one's peak resident memory in bytes.
func peakOf(b *testing.B, n int) float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestGenerated$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), "REINDEX_GENERATED="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return kilobytes(b, out) * 1024
}

// kilobytes finds the peak in a process's status.
func kilobytes(tb testing.TB, status []byte) float64 {
	tb.Helper()
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		tb.Fatalf("no peak in %s", status)
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestGenerated indexes generated products, as many as the environment says, and logs the status of its process.
func TestGenerated(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("REINDEX_GENERATED"))
	if err != nil {
		n = 10_000
	}
	engine, err := reindex.New(generated(n), &null{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := engine.Run(t.Context(), tenant); err != nil || report.Indexed != int64(n) {
		t.Fatal(report.Indexed, err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", regexp.MustCompile(`VmHWM.*`).Find(status))
}

// generated is a source of n products of about 1 KB, each made when it is asked for.
func generated(n int) reindex.SourceFunc {
	rest := string(body("x", 1000)[1:])
	return func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			for i := range n {
				number := strconv.Itoa(i)
				product := reindex.Product{ID: "product-" + number, Body: json.RawMessage(`{"n":` + number + `,` + rest)}
				if !yield(product, nil) {
					return
				}
			}
		}
	}
}
