package jsonl_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"productindex/reindex"
	"productindex/source/jsonl"
)

// catalogue is about 16 MB of products like those of real catalogues: 800 bytes each, the id in front.
func catalogue() []byte {
	var b bytes.Buffer
	for i := range 20_000 {
		fmt.Fprintf(&b, `{"id": "016400cb-b898-4d55-a3dc-%012x", "name": "Controller %d", "brand": "SCUF", "attributes": {"id": %d, "text": %q}}`+"\n",
			i, i, i, strings.Repeat(fmt.Sprintf("wired, red, %d; ", i%977), 40))
	}
	return b.Bytes()
}

// BenchmarkProducts reads a file once with a bufio.Scanner and once with a Source, by turns, and reports the second time as a multiple of
// the first.
func BenchmarkProducts(b *testing.B) {
	content := catalogue()
	for _, name := range []string{"c.jsonl", "c.jsonl.gz"} {
		b.Run(strings.TrimPrefix(name, "c.jsonl"), func(b *testing.B) {
			dir := b.TempDir()
			write(b, filepath.Join(dir, name), compress(b, name, content))
			src, err := jsonl.New(dir, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			var scanner, source []time.Duration
			for b.Loop() {
				start := time.Now()
				scan(b, filepath.Join(dir, name))
				middle := time.Now()
				drain(b, src.Products(b.Context(), "c"))
				scanner, source = append(scanner, middle.Sub(start)), append(source, time.Since(middle))
			}
			b.ReportMetric(float64(total(source))/float64(total(scanner)), "x-scanner")
		})
	}
}

// BenchmarkPartitions reads a file in one partition and in two at the same time, by turns, and reports the second time as a multiple of
// the first.
func BenchmarkPartitions(b *testing.B) {
	content := catalogue()
	dir := b.TempDir()
	write(b, filepath.Join(dir, "c.jsonl"), content)
	src, err := jsonl.New(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	read := func(n int) time.Duration {
		start := time.Now()
		seqs, err := src.Partitions(b.Context(), "c", n)
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
	var one, two []time.Duration
	for b.Loop() {
		one, two = append(one, read(1)), append(two, read(2))
	}
	b.ReportMetric(float64(total(two))/float64(total(one)), "x-one")
}

func drain(tb testing.TB, seq iter.Seq2[reindex.Product, error]) {
	for _, err := range seq {
		if err != nil {
			tb.Error(err)
		}
	}
}

func total(times []time.Duration) (sum time.Duration) {
	for _, t := range times {
		sum += t
	}
	return sum
}

// scan is what a program without a Source does: it looks at every line and keeps none.
func scan(tb testing.TB, name string) {
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			tb.Fatal(err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 64<<20)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			tb.Fatal(errors.New("a blank line"))
		}
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
}
