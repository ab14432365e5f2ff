package jsonl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/zstd"

	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// ends checks that a read yields the wanted number of products and then an error at the given line.
func ends(t *testing.T, src *jsonl.Source, file string, want int, line int64, target error, text string) {
	t.Helper()
	ids, err := read(sourcetest.Products(t.Context(), src, "c"))
	lineErr, ok := errors.AsType[*jsonl.LineError](err)
	if !ok || lineErr.File != file || lineErr.Line != line || target != nil && !errors.Is(err, target) {
		t.Errorf("got %v, want an error at line %d of %s that matches %v", err, line, file, target)
		return
	}
	if len(ids) != want || !strings.Contains(err.Error(), text) ||
		!strings.Contains(err.Error(), fmt.Sprintf("%s, line %d: ", file, line)) {
		t.Errorf("got %d products and error %v, want %d and %q", len(ids), err, want, text)
	}
}

// A line without an id is rejected, and the lines after it are read.
func TestBadLines(t *testing.T) {
	t.Parallel()
	for bad, text := range map[string]string{
		"not JSON\n":          "not a JSON object; it begins with 'n'",
		"[" + one:             "begins with '['",
		`{"sku":1}` + "\n":    "Config.IDField",
		`{"id":true}` + "\n":  "string or an integer",
		"{\"id\":\"\xe4\"}\n": "not valid UTF-8",
		"{\n":                 "one whole object",
	} {
		for _, name := range []string{"c.jsonl", "c.jsonl.gz", "c.jsonl.zst"} {
			src := memory(
				t,
				nil,
				map[string]string{name: string(sourcetest.Compress(t, name, []byte(one+"\n"+bad+`{"id":"2"}`)))},
			)
			ids, rejected, err := readAll(sourcetest.Products(t.Context(), src, "c"))
			if err != nil || fmt.Sprint(ids) != "[1 2]" || len(rejected) != 1 || rejected[0].Where != name+", line 3" ||
				!errors.Is(rejected[0], jsonl.ErrNoID) || !strings.Contains(rejected[0].Err.Error(), text) {
				t.Errorf("%q: got %v, rejected %v, error %v, want [1 2] and one rejection with %q", bad, ids, rejected, err, text)
			}
		}
	}
}

func TestCutOffLines(t *testing.T) {
	t.Parallel()
	for _, last := range []string{
		`{"id":"2","name":"cut o`, `{"id":"2","nested":{}`, `{`, `{"id":"2","is":tru`, `{"id":"\`,
	} {
		for _, name := range []string{"c.jsonl", "c.jsonl.gz", "c.jsonl.zst"} {
			src := memory(t, nil, map[string]string{name: string(sourcetest.Compress(t, name, []byte(one+last)))})
			ends(t, src, name, 1, 2, io.ErrUnexpectedEOF, "cut off")
		}
	}
}

// A last line that is not valid JSON, but is not cut off, counts as one record: a product if it has an id, else a
// rejection.
func TestBadLastLine(t *testing.T) {
	t.Parallel()
	for last, id := range map[string]string{
		`{"id":"2",bad}`: "2",
		`{"id":"2"}}`:    "2",
		`{"id":"2",x`:    "2",
		`{no`:            "",
		`]`:              "",
		`"cut o`:         "",
	} {
		for _, end := range []string{"", "\n"} {
			ids, rejected, err := readAll(
				sourcetest.Products(t.Context(), memory(t, nil, map[string]string{"c.jsonl": one + last + end}), "c"),
			)
			want := strings.TrimSpace("1 " + id)
			if err != nil || strings.Join(ids, " ") != want || len(ids)+len(rejected) != 2 {
				t.Errorf("%q: got %v, rejected %v, error %v, want %s of 2 records", last+end, ids, rejected, err, want)
			}
		}
	}
}

// If several files were concatenated, the byte order mark of each is skipped.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	first, second := "\ufeff"+one, "\ufeff{\"id\":\"2\"}\n"
	for name, content := range map[string]string{
		"c.jsonl": first + second, "c.jsonl.gz": string(sourcetest.Compress(t, ".gz", []byte(first))) +
			string(sourcetest.Compress(t, ".gz", []byte(second))),
		"c.jsonl.zst": string(sourcetest.Compress(t, ".zst", []byte(first))) +
			string(sourcetest.Compress(t, ".zst", []byte(second))),
		"c.json": "\ufeff[" + one + "]\ufeff[{\"id\":\"2\"}]",
	} {
		if ids, err := read(sourcetest.Products(t.Context(), memory(t, nil, map[string]string{name: content}), "c")); err !=
			nil || fmt.Sprint(ids) != "[1 2]" {
			t.Errorf("%s: got %v, error %v, want [1 2]", name, ids, err)
		}
	}
}

// Other data after the end of a compressed file is reported as such, not as a file that is cut off.
func TestTrailingData(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"c.jsonl.gz", "c.jsonl.zst"} {
		packed := string(sourcetest.Compress(t, name, []byte(one)))
		for _, tail := range []string{one, "\x00\x00\x00\x00\x00\x00\x00\x00", "\n"} {
			ids, err := read(sourcetest.Products(t.Context(), memory(t, nil, map[string]string{name: packed + tail}), "c"))
			if err == nil || fmt.Sprint(ids) != "[1]" || !strings.Contains(err.Error(), name) ||
				!strings.Contains(err.Error(), "other data follows") {
				t.Errorf("%s with %q: got %v, error %v, want [1] and an error about other data", name, tail, ids, err)
			}
			if name == "c.jsonl.gz" && errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s with %q: got error %v, want one about other data", name, tail, err)
			}
		}
	}
}

func TestUTF16(t *testing.T) {
	t.Parallel()
	for _, utf16 := range []string{"\xff\xfe{\x00", "\xfe\xff\x00{", "\xff\xfe"} {
		for _, name := range []string{"c.jsonl", "c.jsonl.gz", "c.jsonl.zst"} {
			packed := string(sourcetest.Compress(t, name, []byte(utf16)))
			_, err := read(sourcetest.Products(t.Context(), memory(t, nil, map[string]string{name: packed}), "c"))
			if err == nil || !strings.Contains(err.Error(), name+", line 1: the file is UTF-16") {
				t.Errorf("%s: got error %v, want one about UTF-16", name, err)
			}
		}
	}
}

// A compressed file that was cut off ends with an error wherever the cut is.
func TestCutOffFiles(t *testing.T) {
	t.Parallel()
	content := catalogue(100)
	lines := bytes.Count(content, []byte("\n"))
	for _, name := range []string{"c.jsonl.gz", "c.jsonl.zst"} {
		packed := sourcetest.Compress(t, name, content)
		for _, cut := range []int{
			0, 1, 2, 3, 4, 5, 9, 12, len(packed) / 3, len(packed) / 2, len(packed) - 9, len(packed) - 1,
		} {
			src := memory(t, nil, map[string]string{name: string(packed[:cut])})
			ids, err := read(sourcetest.Products(t.Context(), src, "c"))
			lineErr, ok := errors.AsType[*jsonl.LineError](err)
			if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || lineErr.File != name || lineErr.Line != int64(len(ids)+1) ||
				len(ids) > lines {
				t.Errorf("%s cut at %d: got %d products, error %v, want io.ErrUnexpectedEOF in the next line",
					name, cut, len(ids), err)
			}
			if _, err := sourcetest.Estimate(t, src, "c"); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut at %d: the estimate has error %v, want io.ErrUnexpectedEOF", name, cut, err)
			}
		}
		damaged := bytes.Clone(packed)
		for i := len(damaged) / 2; i < len(damaged)/2+20; i++ {
			damaged[i] ^= 0xa5
		}
		_, _, err := readAll(sourcetest.Products(t.Context(), memory(t, nil, map[string]string{name: string(damaged)}), "c"))
		if _, ok := errors.AsType[*jsonl.LineError](err); !ok {
			t.Errorf("%s damaged: got error %v, want a LineError", name, err)
		}
	}
}

func TestLargeZstdWindow(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(256<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(w, strings.NewReader(one))
	if err := errors.Join(err, w.Flush(), w.Close()); err != nil {
		t.Fatal(err)
	}
	ends(
		t,
		memory(t, nil, map[string]string{"c.jsonl": b.String()}),
		"c.jsonl",
		0,
		1,
		zstd.ErrWindowSizeExceeded,
		"at most 128 MiB",
	)
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	long := `{"text":"` + strings.Repeat("x", 50<<20) + `","id":"2"}` + "\n"
	files := map[string]string{"c.jsonl": one + long + one}
	if ids, err := read(sourcetest.Products(t.Context(), memory(t, nil, files), "c")); err != nil ||
		fmt.Sprint(ids) != "[1 2 1]" {
		t.Errorf("got %v, error %v, want [1 2 1]", ids, err)
	}
	ids, rejected, err := readAll(
		sourcetest.Products(t.Context(), memory(t, &jsonl.Config{MaxLineBytes: 1 << 20}, files), "c"),
	)
	if err != nil || fmt.Sprint(ids) != "[1 1]" || len(rejected) != 1 || rejected[0].Where != "c.jsonl, line 2" ||
		!errors.Is(
			rejected[0],
			jsonl.ErrTooLong,
		) || !strings.Contains(rejected[0].Err.Error(), "more than 1048576 bytes; raise Config.MaxLineBytes") {
		t.Errorf("got %v, rejected %v, error %v, want [1 1] and line 2 as too long", ids, rejected, err)
	}
	if n, err := sourcetest.Estimate(t, memory(t, &jsonl.Config{MaxLineBytes: 1 << 20}, files), "c"); n != 3 ||
		err != nil {
		t.Errorf("estimated %d products, error %v, want 3", n, err)
	}
}

func TestChangedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "c.jsonl")
	write(t, name, []byte(one+one))
	src, err := jsonl.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	for _, err := range sourcetest.Products(t.Context(), src, "c") {
		if failed = err; err == nil {
			write(t, name, []byte(one+one+one))
		}
	}
	if !errors.Is(failed, jsonl.ErrChanged) || !strings.Contains(failed.Error(), "c.jsonl") {
		t.Errorf("got error %v, want ErrChanged with the name of the file", failed)
	}
	// A file that is replaced during the read is read as it was.
	for _, err := range sourcetest.Products(t.Context(), src, "c") {
		if err != nil {
			t.Error(err)
		}
		write(t, name+".new", []byte("other"))
		if err := os.Rename(name+".new", name); err != nil {
			t.Skip(err)
		}
	}
}

// The read of a file ends with an error if the file was changed or removed after Open.
func TestChangedSinceOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "c.jsonl")
	src, err := jsonl.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func() error{
		"written": func() error { return os.WriteFile(name, []byte(one+one), 0o600) },
		"removed": func() error { return os.Remove(name) },
		"replaced": func() error {
			return errors.Join(os.WriteFile(name+".new", []byte(one+one), 0o600), os.Rename(name+".new", name))
		},
		"touched": func() error { return os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)) },
	} {
		write(t, name, []byte(one))
		snap, err := src.Open(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if ids, err := read(snap.Products(t.Context())); !errors.Is(err, jsonl.ErrChanged) || ids != nil ||
			!strings.Contains(err.Error(), "c.jsonl") {
			t.Errorf("%s: got %v, error %v, want only ErrChanged with the name of the file", what, ids, err)
		}
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The end of the context ends the read of a line that never ends.
func TestContextEndsALine(t *testing.T) {
	t.Parallel()
	for _, start := range []string{`{"id":"1`, `[{"id":"1`, ""} {
		ctx, cancel := context.WithCancel(t.Context())
		src, err := jsonl.NewFS(endless{fstest.MapFS{"c.jsonl": {Data: []byte(start)}}, cancel}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := read(sourcetest.Products(ctx, src, "c")); !errors.Is(err, context.Canceled) || ids != nil {
			t.Errorf("%q: got %v, error %v, want only context.Canceled", start, ids, err)
		}
	}
}

// endless is a file system whose files never end. Reading far into one calls cancel.
type endless struct {
	fstest.MapFS

	cancel context.CancelFunc
}

func (e endless) Open(name string) (fs.File, error) {
	f, err := e.MapFS.Open(name)
	if _, dir := f.(fs.ReadDirFile); err != nil || dir {
		return f, err
	}
	return &endlessFile{File: f, cancel: e.cancel}, nil
}

type endlessFile struct {
	fs.File

	cancel context.CancelFunc
	reads  int
}

func (f *endlessFile) Read(p []byte) (int, error) {
	if n, err := f.File.Read(p); err == nil {
		return n, nil
	}
	if f.reads++; f.reads == 10 {
		f.cancel()
	}
	if f.reads == 1000 {
		return 0, errors.New("the read continues after the end of its context")
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
