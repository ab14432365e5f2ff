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

// BenchmarkMemory reads 1 and 10 million generated products, each in a process of its own, and reports the peak of the
// resident memory. The difference between the peaks is the memory for the ids of 9 million products.
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

// peakOf runs TestGenerated in a process of its own, and returns the peak of the resident memory of that process in
// bytes.
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

// kilobytes returns the peak of the memory in the status of a process.
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

// TestGenerated indexes the number of generated products in REINDEX_GENERATED, and logs the peak of the memory of its
// process.
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
		t.Fatalf("indexed %d products, error %v, want %d", report.Indexed, err, n)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", regexp.MustCompile(`VmHWM.*`).Find(status))
}

// generated returns a source of n products of about 1 KB, which it generates during the read.
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
