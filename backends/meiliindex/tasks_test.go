package meiliindex

import (
	"fmt"
	"strings"
	"testing"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// sized returns n products with bodies of about that many bytes.
func sized(n, bytes int) reindextest.Slice {
	text := strings.Repeat("word ", bytes/5)
	products := make(reindextest.Slice, n)
	for i := range products {
		products[i] = product(fmt.Sprintf("p%d", i), `{"text":"`+text+`"}`)
	}
	return products
}

// load runs an engine, and returns the sizes of the payloads of its tasks.
func load(tb testing.TB, s *meilitest.Server, cfg *Config, source reindex.Source, docs int) []int {
	tb.Helper()
	before := len(s.Payloads())
	engine, err := reindex.New(source, newIndex(tb, s, cfg), &reindex.Config{BatchDocs: docs})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := engine.Run(tb.Context(), "acme"); err != nil {
		tb.Fatal(err)
	}
	return s.Payloads()[before:]
}

// An engine with default settings sends the fewest tasks that BatchBytes allows. All but the last have nearly that
// size, including the first one, which the server processes alone.
func TestFewestTasks(t *testing.T) {
	const products, bytes = 3000, 1000
	s := server(t)
	for _, test := range []struct{ batch, tasks int }{{0, 1}, {4 << 20, 1}, {1 << 20, 3}, {100 << 10, 30}} {
		sizes := load(t, s, &Config{BatchBytes: test.batch}, sized(products, bytes), 0)
		if len(sizes) != test.tasks {
			t.Errorf("batches of %d bytes: %d tasks, want %d", test.batch, len(sizes), test.tasks)
		}
		for i, size := range sizes[:len(sizes)-1] {
			if size < test.batch*95/100 || size > test.batch*11/10 {
				t.Errorf("batches of %d bytes: task %d has %d bytes, want nearly as many", test.batch, i, size)
			}
		}
	}
}

// BenchmarkTasks reports the number of tasks of a catalogue of 40 MB, and their sizes, with default settings and with
// batches of 10,000 and of 1,000 products. The client library sends batches of 1,000. The time is that of the emulator,
// and not of a real server.
func BenchmarkTasks(b *testing.B) {
	source := sized(40_000, 1000)
	for _, docs := range []int{0, 10_000, 1000} {
		b.Run(fmt.Sprintf("docs=%d", docs), func(b *testing.B) {
			var tasks, first, largest float64
			for b.Loop() {
				s := meilitest.New()
				for i, size := range load(b, s, nil, source, docs) {
					if mb := float64(size) / 1e6; i == 0 {
						tasks, first, largest = 1, mb, mb
					} else {
						tasks, largest = tasks+1, max(largest, mb)
					}
				}
				s.Close()
			}
			b.ReportMetric(tasks, "tasks")
			b.ReportMetric(first, "MB/first")
			b.ReportMetric(largest, "MB/largest")
		})
	}
}
