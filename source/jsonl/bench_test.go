package jsonl_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"productindex/reindex"
	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// benchmarked is the number of products that the benchmarks read per iteration.
const benchmarked = 20_000

// catalogue returns a file of size products that resemble those of real catalogues: about 750 bytes each, with the id
// in front.
func catalogue(size int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields(
		"wired wireless controller red black oak cotton \"pro\" über series 2025 4.5 kg with for and Xbox leather " +
			"backpack kitchen",
	)
	var b bytes.Buffer
	for range size {
		var text strings.Builder
		for text.Len() < 600 {
			text.WriteString(words[rnd.IntN(len(words))])
			text.WriteByte(' ')
		}
		fmt.Fprintf(
			&b,
			"{\"id\": \"%016x-%016x\", \"name\": %q, \"attributes\": {\"id\": %d, \"text\": %q}, \"price\": %d.99}\n",
			rnd.Uint64(),
			rnd.Uint64(),
			text.String()[:30],
			rnd.Uint32(),
			text.String(),
			rnd.IntN(1000),
		)
	}
	return b.Bytes()
}

// BenchmarkProducts reads a file alternately with a Source, with a bufio.Scanner whose lines it discards (x-scanner),
// and with a bufio.Scanner whose lines it copies (x-keeping). It reports the ratio of the Source's time to each of the
// other two. The bodies of a Source's products stay valid, as the copies do, so x-keeping compares like with like.
func BenchmarkProducts(b *testing.B) {
	content := catalogue(benchmarked)
	for _, name := range []string{"c.jsonl", "c.jsonl.gz", "c.jsonl.zst"} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			file := filepath.Join(dir, name)
			write(b, file, sourcetest.Compress(b, name, content))
			src, err := jsonl.New(dir, nil)
			if err != nil {
				b.Fatal(err)
			}
			var source, scanner, keeping time.Duration
			for b.Loop() {
				start := time.Now()
				drain(b, sourcetest.Products(b.Context(), src, "c"))
				source += time.Since(start)

				start = time.Now()
				scan(b, file, func([]byte) {})
				scanner += time.Since(start)

				start = time.Now()
				scan(b, file, func(line []byte) { kept = bytes.Clone(line) })
				keeping += time.Since(start)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(len(content)*b.N)/1e6/source.Seconds(), "MB/s")
			b.ReportMetric(source.Seconds()/scanner.Seconds(), "x-scanner")
			b.ReportMetric(source.Seconds()/keeping.Seconds(), "x-keeping")
		})
	}
}

// BenchmarkAllocations reports memory and allocations per product.
func BenchmarkAllocations(b *testing.B) {
	content := catalogue(benchmarked)
	src, err := jsonl.NewFS(fstest.MapFS{"c.jsonl": {Data: content}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		drain(b, sourcetest.Products(b.Context(), src, "c"))
	}
	runtime.ReadMemStats(&after)
	all := float64(bytes.Count(content, []byte{'\n'}) * b.N)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/all, "allocs/product")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/all, "B/product")
}

// kept prevents the compiler from removing the copies.
var kept []byte

// BenchmarkParts reads a file alternately in one part and in two concurrent parts. It reports the ratio of the second
// time to the first.
func BenchmarkParts(b *testing.B) {
	content := catalogue(benchmarked)
	dir := b.TempDir()
	write(b, filepath.Join(dir, "c.jsonl"), content)
	src, err := jsonl.New(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	read := func(n int) time.Duration {
		start := time.Now()
		_, seqs, err := sourcetest.Split(b, src, "c", n)
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, seq := range seqs {
			wg.Go(func() { drain(b, seq) })
		}
		wg.Wait()
		return time.Since(start)
	}
	var one, two time.Duration
	for b.Loop() {
		one += read(1)
		two += read(2)
	}
	b.ReportMetric(two.Seconds()/one.Seconds(), "x-one")
}

func drain(tb testing.TB, seq iter.Seq2[reindex.Product, error]) {
	for _, err := range seq {
		if err != nil {
			tb.Error(err)
		}
	}
}

// scan calls visit for every line. The line is valid until visit returns.
func scan(tb testing.TB, name string, visit func([]byte)) {
	tb.Helper()
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	switch filepath.Ext(name) {
	case ".gz":
		if r, err = gzip.NewReader(bufio.NewReaderSize(f, 64<<10)); err != nil {
			tb.Fatal(err)
		}
	case ".zst":
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			tb.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 64<<20)
	for lines.Scan() {
		visit(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
}
