package csv

import (
	"bytes"
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// record is a record of the reference.
type record struct {
	cells []string
	line  int
	fault bool
}

// reference is a second reader. It follows the rules that rows states, in a simpler and slower way, on text in memory.
type reference struct {
	text         string
	sep          string
	quotes, lazy bool
	cr           bool
}

// lineBreak returns the line break that text begins with, or "".
func (r *reference) lineBreak(text string) string {
	for _, ending := range []string{"\r\n", "\n", "\r"} {
		if strings.HasPrefix(text, ending) && (ending != "\r" || r.cr || text == "\r") {
			return ending
		}
	}
	return ""
}

// lineFrom returns the text up to its first line break.
func (r *reference) lineFrom(text string) string {
	for i := range len(text) {
		if r.lineBreak(text[i:]) != "" {
			return text[:i]
		}
	}
	return text
}

// findEnding finds the first line break outside of quotes, and notes whether it is a CR alone.
func (r *reference) findEnding() {
	quoted := false
	for i, c := range []byte(r.text) {
		if c == '"' && r.quotes {
			quoted = !quoted
		}
		if !quoted && c == '\n' {
			return
		}
		if !quoted && c == '\r' {
			r.cr = !strings.HasPrefix(r.text[i:], "\r\n")
			return
		}
	}
}

// unpaired returns the offset of the first quote at i or later that is not followed by another quote, or -1.
func unpaired(text string, i int) int {
	for ; i < len(text); i++ {
		if text[i] == '"' {
			if i+1 == len(text) || text[i+1] != '"' {
				return i
			}
			i++
		}
	}
	return -1
}

// closes reports whether a cell can end at i.
func (r *reference) closes(i int) bool {
	rest := r.text[i:]
	return rest == "" || strings.HasPrefix(rest, r.sep) || r.lineBreak(rest) != ""
}

// cell reads the cell at i.
func (r *reference) cell(i int) (cell string, end int, fault, open bool) {
	line := r.lineFrom(r.text[i:])
	plain, _, _ := strings.Cut(line, r.sep)
	if !r.quotes || !strings.HasPrefix(plain, `"`) {
		return plain, i + len(plain), r.quotes && !r.lazy && strings.Contains(plain, `"`), false
	}
	q := unpaired(r.text, i+1)
	if q < 0 {
		return "", 0, false, true
	}
	fault = !r.closes(q+1) && !r.lazy
	for stray := false; ; stray = true {
		if stray && q >= i+len(line) || q < 0 {
			break
		}
		if r.closes(q + 1) {
			text := strings.ReplaceAll(r.text[i+1:q], "\r\n", "\n")
			return strings.ReplaceAll(text, `""`, `"`), q + 1, fault, false
		}
		if q >= i+len(line) {
			break
		}
		q = unpaired(r.text[:i+len(line)], q+1)
	}
	return plain, i + len(plain), fault, false
}

// read returns all records, and the line of a quote that is never closed, or 0.
func (r *reference) read() (records []record, open int) {
	r.findEnding()
	lineAt := func(i int) int {
		line := 1
		for j := 0; j < i; j++ {
			if ending := r.lineBreak(r.text[j:i]); ending != "" && r.lineBreak(r.text[j:]) != "" {
				line++
				j += len(ending) - 1
			}
		}
		return line
	}
	for i := 0; i < len(r.text); {
		switch {
		case strings.HasPrefix(r.text[i:], "\ufeff"):
			i += 3
			continue
		case r.lineBreak(r.text[i:]) != "":
			i += len(r.lineBreak(r.text[i:]))
			continue
		}
		rec := record{line: lineAt(i)}
		for {
			cell, end, fault, never := r.cell(i)
			if never {
				return records, lineAt(i)
			}
			rec.cells, rec.fault, i = append(rec.cells, cell), rec.fault || fault, end
			if !strings.HasPrefix(r.text[i:], r.sep) {
				break
			}
			i += len(r.sep)
		}
		i += len(r.lineBreak(r.text[i:]))
		records = append(records, rec)
	}
	return records, 0
}

// readRows returns the records that rows reads, and the line of a quote that is never closed, or 0.
func readRows(t *testing.T, in io.Reader, cfg *Config) (records []record, open int) {
	t.Helper()
	c := cfg.withDefaults()
	r := newRows(in, &c)
	r.findEnding()
	for {
		err := r.read()
		switch {
		case errors.Is(err, errOpenQuote):
			return records, int(r.line)
		case errors.Is(err, io.EOF):
			return records, 0
		case err != nil:
			t.Fatal(err)
		}
		rec := record{line: int(r.line), fault: r.fault != nil}
		for _, cell := range r.cells {
			rec.cells = append(rec.cells, string(cell))
		}
		records = append(records, rec)
	}
}

func same(a, b record) bool {
	return a.line == b.line && a.fault == b.fault && slices.Equal(a.cells, b.cells)
}

// FuzzRows compares rows with the reference, and also with encoding/csv if both follow the same rules.
func FuzzRows(f *testing.F) {
	for _, text := range []string{
		"id,name\n1,\"a, \"\"b\"\"\r\nc\"\r\n\n2,\n", "1,\"Deluxe\" sock\n2,x\n3,\"y\"\n", "1,\"a\n2,\"b\"\n3,5\" nail\n",
		"a\rb\r\rc,\"d\re\"\r", "a,\"b\n\n",
		"\ufeffa\n\ufeffb\n", "\"a\"\"\n,\"b", "\"a\"b\"\r\n\"\",\"\"\"\"\n", "a\r\r\n\"b\rc\"\n", "x", "\r", "\"\r\"",
		"a,\"b\" \"c\"\n\"d\"e\nf\"",
	} {
		for mode := range byte(6) {
			f.Add(text, mode, mode%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, text string, mode byte, slow bool) {
		cfg := &Config{Comma: ',', LazyQuotes: mode%3 == 1, NoQuotes: mode%3 == 2}
		if mode/3%2 == 1 {
			cfg.Comma = 'ä'
		}
		ref := &reference{text: text, sep: string(cfg.Comma), quotes: !cfg.NoQuotes, lazy: cfg.LazyQuotes}
		want, wantOpen := ref.read()
		var in io.Reader = strings.NewReader(text)
		if slow {
			in = iotest.OneByteReader(in)
		}
		got, open := readRows(t, in, cfg)
		if open != wantOpen || !slices.EqualFunc(got, want, same) {
			t.Fatalf("got %+v, open quote %d\nwant %+v, open quote %d", got, open, want, wantOpen)
		}
		if !ref.cr && !strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") && !strings.Contains(text, "\ufeff") &&
			mode%3 == 0 {
			compareStandard(t, text, cfg.Comma, got)
		}
	})
}

// compareStandard compares records with those of encoding/csv, up to its first error.
func compareStandard(t *testing.T, text string, comma rune, got []record) {
	t.Helper()
	std := stdcsv.NewReader(strings.NewReader(text))
	std.Comma, std.FieldsPerRecord = comma, -1
	for i := 0; ; i++ {
		cells, err := std.Read()
		if errors.Is(err, io.EOF) {
			if i != len(got) {
				t.Fatalf("got %d records, want %d", len(got), i)
			}
			return
		}
		if err != nil {
			return
		}
		line, _ := std.FieldPos(0)
		if i >= len(got) || !same(got[i], record{cells, line, false}) {
			t.Fatalf("record %d: got %+v, want %q in line %d", i, got, cells, line)
		}
	}
}

// The records are the same wherever a chunk ends.
func TestRowsAcrossChunks(t *testing.T) {
	line := "1,\"a \"\"b\"\"\r\nc\",\"Deluxe\" sock,ü\r\n"
	for pad := range len(line) {
		text := strings.Repeat("x", chunkBytes-pad-2) + "\r\n" + strings.Repeat(line, 5000)
		got, open := readRows(t, strings.NewReader(text), &Config{LazyQuotes: true})
		if len(got) != 5001 || open != 0 {
			t.Fatalf("pad %d: got %d records, open quote %d, want 5001 records", pad, len(got), open)
		}
		for i, rec := range got[1:] {
			if want := (record{[]string{"1", "a \"b\"\nc", "\"Deluxe\" sock", "ü"}, 2 + 2*i, false}); !same(rec, want) {
				t.Fatalf("pad %d: record %d: got %+v, want %+v", pad, i, rec, want)
			}
		}
	}
}

// A record that is too long has a fault and no cells. The records after it are read.
func TestLongRows(t *testing.T) {
	for _, ending := range []string{"\n", "\r\n", "\r"} {
		for _, size := range []int{1001, chunkBytes, 5*chunkBytes - 1, 5 * chunkBytes} {
			c := (&Config{MaxRecordBytes: 1000}).withDefaults()
			text := "id" + ending + strings.Repeat("x", size) + ending + "2" + ending
			r := newRows(strings.NewReader(text), &c)
			r.findEnding()
			var got []string
			for r.read() == nil {
				got = append(got, fmt.Sprintf("%d %s %v", r.line, bytes.Join(r.cells, nil), errors.Is(r.fault, ErrTooLong)))
			}
			if want := "1 id false|2  true|3 2 false"; strings.Join(got, "|") != want {
				t.Errorf("%q, %d bytes: got %q, want %q", ending, size, got, want)
			}
		}
	}
}
