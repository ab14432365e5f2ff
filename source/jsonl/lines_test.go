package jsonl

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzLines compares lines with bytes.Split, for readers that return pieces of any size. To test long lines, it
// replaces each x of the input by a longer text.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"), 1, uint16(0), false)
	f.Add([]byte("a\nb\n"), 7, uint16(20), true)
	f.Add([]byte("x\n\n\nyy\nz"), 4096, uint16(333), false)
	f.Fuzz(func(t *testing.T, data []byte, size int, stretch uint16, reuse bool) {
		data = bytes.ReplaceAll(data, []byte("x"), bytes.Repeat([]byte("long"), int(stretch)*16))
		l := lines{r: pieces{bytes.NewReader(data), max(1, size)}, max: len(data), reuse: reuse}
		want := bytes.Split(data, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		var got [][]byte
		for {
			line, err := l.read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if reuse {
				line = bytes.Clone(line)
			}
			got = append(got, line)
			if l.number != int64(len(got)) || !bytes.HasPrefix(data[l.offset:], line) {
				t.Fatalf("line %d has the number %d and the offset %d, want those of the data", len(got), l.number, l.offset)
			}
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("got the lines %q, want %q", got, want)
		}
		if l.next != int64(len(data)) {
			t.Fatalf("read %d of %d bytes, want all", l.next, len(data))
		}
	})
}

// pieces returns at most size bytes per read.
type pieces struct {
	r    io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

func TestLinesPinLittle(t *testing.T) {
	t.Parallel()
	l := lines{r: strings.NewReader("short\n" + strings.Repeat("x", 1<<20) + "\nshort\nlast\n"), max: 2 << 20}
	for range 2 {
		if _, err := l.read(); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.buf) != chunkBytes {
		t.Errorf("short lines after a long one keep %d bytes in memory, want %d", len(l.buf), chunkBytes)
	}
	line, err := l.read()
	if err != nil || string(line) != "short" || cap(line) != len(line) {
		t.Errorf("got %q with capacity %d, error %v, want short without spare capacity", line, cap(line), err)
	}
}

func TestLinesTooLong(t *testing.T) {
	t.Parallel()
	for _, r := range []io.Reader{
		strings.NewReader("1234\n12345\n"), iotest.OneByteReader(strings.NewReader("1234\n1234567890")),
	} {
		l := lines{r: r, max: 4}
		if line, err := l.read(); err != nil || string(line) != "1234" {
			t.Fatalf("got %q, error %v, want 1234", line, err)
		}
		if _, err := l.read(); !errors.Is(err, ErrTooLong) || l.number != 2 || l.offset != 5 {
			t.Errorf("got error %v at line %d, byte %d, want ErrTooLong at line 2, byte 5", err, l.number, l.offset)
		}
	}
}

func TestLinesReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	l := lines{r: io.MultiReader(strings.NewReader("a\nhalf"), iotest.ErrReader(broken)), max: 10}
	if line, err := l.read(); err != nil || string(line) != "a" {
		t.Fatalf("got %q, error %v, want a", line, err)
	}
	if line, err := l.read(); !errors.Is(err, broken) || l.number != 2 || l.offset != 2 {
		t.Errorf("got %q, error %v at line %d, byte %d, want the stream's error at line 2, byte 2",
			line, err, l.number, l.offset)
	}
	l = lines{r: idle{}, max: 10}
	if _, err := l.read(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got error %v, want io.ErrNoProgress", err)
	}
}

// idle is a reader that returns neither bytes nor an error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
