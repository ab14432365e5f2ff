package jsonl_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"productindex/source/jsonl"
)

// bad asserts that a read ends with an error at that line after so many products.
func bad(t *testing.T, src *jsonl.Source, file string, products int, line int64, target error, text string) {
	t.Helper()
	ids, err := read(src.Products(t.Context(), "c"))
	lineErr, ok := errors.AsType[*jsonl.LineError](err)
	if !ok || lineErr.File != file || lineErr.Line != line || !errors.Is(err, target) {
		t.Errorf("got %v, want an error at line %d of %s that matches %v", err, line, file, target)
		return
	}
	if len(ids) != products || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), fmt.Sprintf("%s, line %d: ", file, line)) {
		t.Errorf("got %d products and %v, want %d and %q", len(ids), err, products, text)
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		content  string
		products int
		line     int64
		target   error
		text     string
	}{
		{one + "\n" + "no JSON\n" + one, 1, 3, jsonl.ErrNoID, "no JSON object, it begins with 'n'"},
		{one + "[" + one + "]", 1, 2, jsonl.ErrNoID, "begins with '['"},
		{one + `{"sku":1}` + "\n", 1, 2, jsonl.ErrNoID, "Config.IDField"},
		{one + `{"id":true}` + "\n", 1, 2, jsonl.ErrNoID, "string or an integer"},
		{one + "{\"id\":\"\xe4\"}\n", 1, 2, jsonl.ErrNoID, "not valid UTF-8"},
		{one + `{"id":"2","name":"cut o`, 1, 2, io.ErrUnexpectedEOF, "cut off"},
		{one + `{"id":"2","nested":{}`, 1, 2, io.ErrUnexpectedEOF, "cut off"},
		{one + "{\n\"id\":\"2\"\n}\n", 1, 2, jsonl.ErrNoID, "one object on one line"},
	} {
		for _, name := range []string{"c.jsonl", "c.jsonl.gz", "c.jsonl.zst"} {
			bad(t, memory(t, nil, map[string]string{name: string(compress(t, name, []byte(c.content)))}), name, c.products, c.line, c.target, c.text)
		}
	}
	for _, utf16 := range []string{"\xff\xfe{\x00", "\xfe\xff\x00{"} {
		_, err := read(memory(t, nil, map[string]string{"c.jsonl": utf16}).Products(t.Context(), "c"))
		if err == nil || !strings.Contains(err.Error(), "c.jsonl, line 1: the file is UTF-16") {
			t.Errorf("got %v", err)
		}
	}
}

// A compressed file that was cut off ends with an error wherever the cut is.
func TestCutOffFiles(t *testing.T) {
	t.Parallel()
	content := catalogue(100)
	lines := bytes.Count(content, []byte("\n"))
	for _, name := range []string{"c.jsonl.gz", "c.jsonl.zst"} {
		packed := compress(t, name, content)
		for _, cut := range []int{0, 4, 5, 9, 12, len(packed) / 3, len(packed) / 2, len(packed) - 9, len(packed) - 1} {
			src := memory(t, nil, map[string]string{name: string(packed[:cut])})
			ids, err := read(src.Products(t.Context(), "c"))
			lineErr, ok := errors.AsType[*jsonl.LineError](err)
			if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || lineErr.File != name || lineErr.Line != int64(len(ids)+1) || len(ids) > lines {
				t.Errorf("%s cut at %d: got %d products and %v", name, cut, len(ids), err)
			}
			if _, err := src.Count(t.Context(), "c"); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut at %d: counting, got %v", name, cut, err)
			}
		}
		damaged := bytes.Clone(packed)
		for i := len(damaged) / 2; i < len(damaged)/2+20; i++ {
			damaged[i] ^= 0xa5
		}
		_, err := read(memory(t, nil, map[string]string{name: string(damaged)}).Products(t.Context(), "c"))
		if _, ok := errors.AsType[*jsonl.LineError](err); !ok {
			t.Errorf("%s damaged: got %v", name, err)
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
	bad(t, memory(t, nil, map[string]string{"c.jsonl": b.String()}), "c.jsonl", 0, 1, zstd.ErrWindowSizeExceeded, "at most 128 MiB")
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	long := `{"text":"` + strings.Repeat("x", 50<<20) + `","id":"2"}` + "\n"
	files := map[string]string{"c.jsonl": one + long + one}
	if ids, err := read(memory(t, nil, files).Products(t.Context(), "c")); err != nil || fmt.Sprint(ids) != "[1 2 1]" {
		t.Errorf("got %v, %v", ids, err)
	}
	bad(t, memory(t, &jsonl.Config{MaxLineBytes: 1 << 20}, files), "c.jsonl", 1, 2, jsonl.ErrTooLong, "more than 1048576 bytes; Config.MaxLineBytes")
	if _, err := memory(t, &jsonl.Config{MaxLineBytes: 1 << 20}, files).Count(t.Context(), "c"); !errors.Is(err, jsonl.ErrTooLong) {
		t.Errorf("got %v", err)
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
	for _, err := range src.Products(t.Context(), "c") {
		if failed = err; err == nil {
			write(t, name, []byte(one+one+one))
		}
	}
	if !errors.Is(failed, jsonl.ErrChanged) || !strings.Contains(failed.Error(), "c.jsonl") {
		t.Errorf("got %v", failed)
	}
	// A file that is replaced is read as it was.
	for _, err := range src.Products(t.Context(), "c") {
		if err != nil {
			t.Error(err)
		}
		write(t, name+".new", []byte("other"))
		if err := os.Rename(name+".new", name); err != nil {
			t.Skip(err)
		}
	}
}
