package jsonl_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"productindex/reindex"
	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// Every file that is opened is closed, however its read ends.
func TestFilesAreClosed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"c/1.jsonl", "c/1.jsonl.gz", "c/1.jsonl.zst"} {
		for _, content := range []string{one + one, one + "bad\n", "{"} {
			fsys := &counting{FS: fstest.MapFS{
				name: {
					Data: sourcetest.Compress(t, name, []byte(content)),
				},
				"c/2.jsonl.gz":  {Data: []byte("\x1f\x8bbad")},
				"c/3.jsonl.zst": {},
			}}
			src, err := jsonl.NewFS(fsys, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for range sourcetest.Products(ctx, src, "c") {
				break
			}
			_, _ = read(sourcetest.Products(ctx, src, "c"))
			_, _ = sourcetest.Estimate(t, src, "c")
			_, _, _ = sourcetest.Split(t, src, "c", 2)
			for range sourcetest.Products(ctx, src, "c") {
				cancel()
			}
			if fsys.opened == 0 || fsys.opened != fsys.closed {
				t.Errorf("%s: opened %d files and closed %d, want the same number", name, fsys.opened, fsys.closed)
			}
		}
	}
}

// counting counts the files that are opened and closed.
type counting struct {
	fs.FS

	opened, closed int
}

func (c *counting) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if _, dir := f.(fs.ReadDirFile); err != nil || dir {
		return f, err
	}
	c.opened++
	return &countedFile{File: f, closed: &c.closed}, nil
}

type countedFile struct {
	fs.File

	closed *int
}

func (f *countedFile) Close() error {
	*f.closed++
	return f.File.Close()
}

func TestContextEndsARead(t *testing.T) {
	t.Parallel()
	src := memory(t, nil, map[string]string{"c.jsonl": strings.Repeat(one, 10)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var failed error
	for _, err := range sourcetest.Products(ctx, src, "c") {
		if failed = err; err == nil {
			n++
		}
		if n == 3 {
			cancel()
		}
	}
	if n != 3 || !errors.Is(failed, context.Canceled) {
		t.Errorf("got %d products, error %v, want 3 and context.Canceled", n, failed)
	}
	estimator, err := sourcetest.Capability[reindex.Estimator](t, src, "c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := estimator.Estimate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Estimate: got error %v, want context.Canceled", err)
	}
	if _, err := src.Open(ctx, "c"); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: got error %v, want context.Canceled", err)
	}
	splitter, err := sourcetest.Capability[reindex.Splitter](t, src, "c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := splitter.Split(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("Split: got error %v, want context.Canceled", err)
	}
	locator, err := sourcetest.Capability[reindex.Locator](t, src, "c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locator.Locate(ctx, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("Locate: got error %v, want context.Canceled", err)
	}
}
