package jsonl_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"productindex/reindex"
	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// parts returns the ids of each of at most n parts, and the errors with which they ended.
func parts(t *testing.T, src *jsonl.Source, n int) (ids [][]string, failed error) {
	t.Helper()
	_, seqs, err := sourcetest.Split(t, src, "c", n)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range seqs {
		got, err := read(seq)
		failed = errors.Join(failed, err)
		ids = append(ids, got)
	}
	return ids, failed
}

func TestPartsHoldEveryProductOnce(t *testing.T) {
	t.Parallel()
	// The lines have many lengths, so that ranges begin before, at and after line ends. Some lines are longer than a
	// range, so that some ranges hold no line.
	var plain strings.Builder
	for i := range 3000 {
		length := i % 300
		if i%700 == 0 {
			length = 200_000
		}
		fmt.Fprintf(&plain, "{\"id\":%d,\"x\":%q}\n", i, strings.Repeat("x", length))
		if i%7 == 0 {
			plain.WriteString("\r\n")
		}
	}
	// All lines have 64 bytes, so that ranges begin at line starts.
	var aligned strings.Builder
	for i := range 5 * 1024 {
		fmt.Fprintf(&aligned, "%-63s\n", fmt.Sprintf(`{"id":%d}`, i))
	}
	packed := string(sourcetest.Compress(t, ".gz", []byte(`{"id":"packed"}`)))
	for name, files := range map[string]map[string]string{
		"one file":     {"c.jsonl": plain.String()},
		"no final end": {"c.jsonl": plain.String() + `{"id":"last"}`},
		"several files": {
			"c/0.jsonl":    `{"id":"zero"}`,
			"c/1.jsonl":    plain.String(),
			"c/2.jsonl.gz": packed,
			"c/3.jsonl":    `{"id":"a"}`,
			"c/4.jsonl":    "",
			"c/5.jsonl":    `{"id":"b"}`,
		},
		"aligned": {"c.jsonl": aligned.String()},
		"small":   {"c.jsonl": `{"id":"a"}`},
		"empty":   {"c.jsonl": ""},
	} {
		src := memory(t, nil, files)
		want, err := read(sourcetest.Products(t.Context(), src, "c"))
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := parts(t, src, 1); err != nil || !slices.Equal(slices.Concat(ids...), want) {
			t.Errorf("%s: the products of one part differ from those of the file, want the same in order, error %v", name, err)
		}
		slices.Sort(want)
		for n := range 9 {
			ids, err := parts(t, src, n)
			got := slices.Sorted(slices.Values(slices.Concat(ids...)))
			if err != nil || !slices.Equal(got, want) || len(ids) > max(n, 1) {
				t.Errorf("%s, n=%d: got %d products in %d parts, %v, want %d", name, n, len(got), len(ids), err, len(want))
			}
		}
	}
}

// FuzzParts checks that the parts of a file hold the same products as the file.
func FuzzParts(f *testing.F) {
	f.Add([]byte("\n\r x"), uint16(9), uint8(3))
	f.Add([]byte("x\nxxxxxxxx"), uint16(5000), uint8(7))
	f.Fuzz(func(t *testing.T, shape []byte, stretch uint16, n uint8) {
		var b strings.Builder
		for i, c := range shape {
			if c == '\n' || c == '\r' || c == ' ' {
				b.WriteByte(c)
				continue
			}
			fmt.Fprintf(&b, "\n{\"id\":%d,\"x\":%q}\n", i, strings.Repeat("x", int(c)*int(stretch)/16))
		}
		src := memory(t, nil, map[string]string{"c.jsonl": b.String()})
		want, err := read(sourcetest.Products(t.Context(), src, "c"))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		ids, err := parts(t, src, int(n))
		if got := slices.Sorted(slices.Values(slices.Concat(ids...))); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %d products, %v, want %d", len(got), err, len(want))
		}
	})
}

func TestPartsAreOfLikeSize(t *testing.T) {
	t.Parallel()
	content := string(catalogue(2000))
	src := memory(
		t,
		nil,
		map[string]string{"c/1.jsonl": content, "c/2.jsonl": content[:strings.IndexByte(content, '\n')+1]},
	)
	ids, err := parts(t, src, 3)
	if err != nil || len(ids) != 3 {
		t.Fatalf("got %d parts, error %v, want 3", len(ids), err)
	}
	for i, part := range ids {
		if len(part) < 500 || len(part) > 850 {
			t.Errorf("part %d has %d of 2001 products, want 500 to 850", i, len(part))
		}
	}
}

// A compressed file holds more products than a plain file of its size, so parts count it as larger.
func TestPartsWithACompressedFile(t *testing.T) {
	t.Parallel()
	part := string(catalogue(250))
	src := memory(t, nil, map[string]string{
		"c/1.jsonl":    part,
		"c/2.jsonl":    part,
		"c/3.jsonl":    part,
		"c/4.jsonl.gz": string(sourcetest.Compress(t, ".gz", catalogue(1000))),
	})
	ids, err := parts(t, src, 2)
	if err != nil || len(ids) != 2 || len(ids[0])+len(ids[1]) != 1750 || max(len(ids[0]), len(ids[1])) != 1000 {
		t.Errorf("got %d parts, error %v, want one of the compressed file and one of the others", len(ids), err)
	}
}

func TestPartsOfOneCompressedFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"c.jsonl.gz", "c.jsonl.zst"} {
		src := memory(t, nil, map[string]string{name: string(sourcetest.Compress(t, name, []byte(one)))})
		_, _, err := sourcetest.Split(t, src, "c", 2)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want ErrUnsupported with the name of the file", err)
		}
	}
	// The files of this file system can only be read from the start.
	src, err := jsonl.NewFS(&counting{FS: fstest.MapFS{"c.jsonl": {Data: catalogue(1000)}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := sourcetest.Split(t, src, "c", 2); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got error %v, want ErrUnsupported", err)
	}
}

// The line of an error is its line in the file, not in the part.
func TestPartsNameTheLine(t *testing.T) {
	t.Parallel()
	content := string(catalogue(1000))
	lines := strings.SplitAfter(content, "\n")
	for line, bad := range map[int]string{1: "bad\n", 2: `{"sku":1}` + "\n", 600: `["x"]` + "\n", 999: "{\"id\":1.5}\n"} {
		changed := slices.Clone(lines[:1000])
		changed[line-1] = bad
		want := []string{fmt.Sprintf("c.jsonl, line %d", line)}
		if got := rejectedInParts(t, strings.Join(changed, "")); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	want := []string{"c.jsonl, line 1001", "c.jsonl, line 1002"}
	if got := rejectedInParts(t, content+"bad\nworse\n"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err := parts(t, memory(t, nil, map[string]string{"c.jsonl": content + `{"id":"cut o`}), 4)
	lineErr, ok := errors.AsType[*jsonl.LineError](err)
	if !ok || lineErr.Line != 1001 || lineErr.File != "c.jsonl" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got error %v, want a LineError in line 1001", err)
	}
}

// rejectedInParts reads a file in four parts and returns the places of its rejections.
func rejectedInParts(t *testing.T, content string) (where []string) {
	t.Helper()
	_, seqs, err := sourcetest.Split(t, memory(t, nil, map[string]string{"c.jsonl": content}), "c", 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range seqs {
		_, rejected, err := readAll(seq)
		if err != nil {
			t.Error(err)
		}
		for _, r := range rejected {
			where = append(where, r.Where)
		}
	}
	return where
}

func TestPartsOfAChangedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "c.jsonl")
	write(t, name, catalogue(1000))
	src, err := jsonl.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{catalogue(999), sourcetest.Compress(t, ".gz", catalogue(999)), nil} {
		_, seqs, err := sourcetest.Split(t, src, "c", 2)
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, content)
		for _, seq := range seqs {
			if ids, err := read(seq); !errors.Is(err, jsonl.ErrChanged) || ids != nil {
				t.Errorf("got %d products, error %v, want only ErrChanged", len(ids), err)
			}
		}
		write(t, name, catalogue(1000))
	}
}

// A forged part name does not reach files of other tenants, or a range that Split did not return.
func TestForgedParts(t *testing.T) {
	t.Parallel()
	src := memory(t, nil, map[string]string{"c.jsonl": one, "other.jsonl": one})
	splitter, err := sourcetest.Capability[reindex.Splitter](t, src, "c")
	if err != nil {
		t.Fatal(err)
	}
	names, err := splitter.Split(t.Context(), 2)
	if err != nil || len(names) != 1 {
		t.Fatalf("got the parts %q, error %v, want one", names, err)
	}
	if ids, err := read(splitter.Part(t.Context(), names[0])); err != nil || fmt.Sprint(ids) != "[1]" {
		t.Errorf("got %v, error %v, want [1]", ids, err)
	}
	for _, name := range []string{
		"", "[]", "null", "1", names[0] + "x",
		strings.Replace(names[0], "c.jsonl", "other.jsonl", 1), strings.Replace(names[0], "c.jsonl", "../c.jsonl", 1),
		strings.Replace(names[0], `"size":11`, `"size":12`, 1),
		strings.Replace(names[0], "}", `,"start":3,"end":2}`, 1), strings.Replace(names[0], "}", `,"start":3,"end":200}`, 1),
		strings.Replace(names[0], "}", `,"start":-3,"end":2}`, 1), strings.Replace(names[0], "}", `,"start":3}`, 1),
	} {
		if ids, rejected, err := readAll(splitter.Part(t.Context(), name)); err == nil || ids != nil || rejected != nil {
			t.Errorf("%s: got %v, rejected %v, error %v, want only an error", name, ids, rejected, err)
		}
	}
}
