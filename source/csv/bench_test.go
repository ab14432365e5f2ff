package csv_test

import (
	"bufio"
	"bytes"
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"productindex/source/csv"
	"productindex/source/internal/sourcetest"
)

// benchmarked is the number of products that the benchmark reads per iteration.
const benchmarked = 20_000

// catalogue returns a file of size products that resemble those of real exports. A product has twelve columns and about
// 600 bytes. One product in four has a quoted cell.
func catalogue(size int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields(
		"wired wireless controller red black oak cotton über series 2025 4.5 kg with for and Xbox leather backpack kitchen",
	)
	var b bytes.Buffer
	b.WriteString("id,name,description,brand,category,price,currency,stock,weight,colour,image,url\n")
	for range size {
		var text strings.Builder
		for text.Len() < 400 {
			text.WriteString(words[rnd.IntN(len(words))])
			text.WriteByte(' ')
		}
		description := text.String()
		if rnd.IntN(4) == 0 {
			description = `"` + strings.Replace(description, " ", `, ""new""`+"\n", 1) + `"`
		}
		fmt.Fprintf(
			&b,
			"%016x,%s,%s,Brand %d,Home & Garden,%d.99,EUR,%d,%d,%s,https://example.com/image/%d.jpg,https://example.com/p/%d\n",
			rnd.Uint64(),
			strings.ToValidUTF8(text.String()[:30], ""),
			description,
			rnd.IntN(50),
			rnd.IntN(1000),
			rnd.IntN(500),
			rnd.IntN(9000),
			words[3],
			rnd.Uint32(),
			rnd.Uint32(),
		)
	}
	return b.Bytes()
}

// BenchmarkProducts reads a file alternately with a Source and with encoding/csv, whose records it discards. It reports
// the ratio of the two times. The Source's time includes the encoding of each record as a JSON object.
func BenchmarkProducts(b *testing.B) {
	content := catalogue(benchmarked)
	for _, name := range []string{"acme.csv", "acme.csv.gz"} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), sourcetest.Compress(b, name, content), 0o600); err != nil {
				b.Fatal(err)
			}
			src, err := csv.New(dir, &csv.Config{Types: map[string]csv.Type{"price": csv.Number, "stock": csv.Number}})
			if err != nil {
				b.Fatal(err)
			}
			var source, standard time.Duration
			for b.Loop() {
				start := time.Now()
				n := 0
				for _, err := range sourcetest.Products(b.Context(), src, "acme") {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				source += time.Since(start)
				if n != benchmarked {
					b.Fatalf("read %d products, want %d", n, benchmarked)
				}
				start = time.Now()
				readStandard(b, filepath.Join(dir, name))
				standard += time.Since(start)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(len(content)*b.N)/1e6/source.Seconds(), "MB/s")
			b.ReportMetric(source.Seconds()/standard.Seconds(), "x-encoding/csv")
		})
	}
}

// readStandard reads a file with encoding/csv.
func readStandard(b *testing.B, name string) {
	b.Helper()
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r := stdcsv.NewReader(decompressed(b, bufio.NewReaderSize(f, 64<<10), name))
	r.ReuseRecord = true
	for {
		if _, err := r.Read(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

func decompressed(b *testing.B, r io.Reader, name string) io.Reader {
	b.Helper()
	if filepath.Ext(name) != ".gz" {
		return r
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		b.Fatal(err)
	}
	return z
}
