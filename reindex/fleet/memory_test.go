//go:build linux

package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"productindex/reindex"
)

// productsVariable is the environment variable for the number of products that TestManyProducts loads.
const productsVariable = "FLEET_TEST_PRODUCTS"

// TestManyProducts loads many products in one process and logs its peak memory.
func TestManyProducts(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(productsVariable))
	if err != nil {
		n = 50_000
	}
	f := newFleet(t, connect(t), paged{n, DefaultPartProducts, 0}, &counting{}, Config{})
	job := start(t, f, "acme")
	for j, err := range f.Watch(t.Context(), "acme", job.ID) {
		if err != nil {
			t.Fatal(err)
		}
		job = j
	}
	if job.Status != reindex.StatusSuccess || job.Report.Indexed != int64(n) {
		t.Fatalf("the job is %s (%s) with %d products indexed, want SUCCESS and %d",
			job.Status, job.Message, job.Report.Indexed, n)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", regexp.MustCompile(`VmHWM.*`).Find(status))
}

// BenchmarkMemory measures the peak memory of a process for 1 and 10 million products.
func BenchmarkMemory(b *testing.B) {
	for _, millions := range []int{1, 10} {
		b.Run(fmt.Sprintf("%dM", millions), func(b *testing.B) {
			peak := 0.0
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestManyProducts$", "-test.v")
				cmd.Env = append(os.Environ(), productsVariable+"="+strconv.Itoa(millions*1_000_000))
				out, err := cmd.CombinedOutput()
				found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(out)
				if err != nil || found == nil {
					b.Fatalf("%v\n%s", err, out)
				}
				kilobytes, err := strconv.ParseFloat(string(found[1]), 64)
				if err != nil {
					b.Fatal(err)
				}
				peak = max(peak, kilobytes)
			}
			b.ReportMetric(peak/1024, "peak-MiB")
		})
	}
}
