package jsonl_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"productindex/source/internal/public"
	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// failingFS has files whose reads fail with an error that callers must not see.
type failingFS struct{ fstest.MapFS }

func (f failingFS) Open(name string) (fs.File, error) {
	file, err := f.MapFS.Open(name)
	if name == "." || err != nil {
		return file, err
	}
	return failingFile{file}, nil
}

type failingFile struct{ fs.File }

func (failingFile) Read([]byte) (int, error) {
	return 0, errors.New("GET https://key:hunter2@storage.internal/bucket: broken pipe")
}

// Callers of an API see the file, the line and the reason of an error. They see no path of the machine and no error of
// a host's file system.
func TestPublicMessages(t *testing.T) {
	t.Parallel()
	packed := string(sourcetest.Compress(t, ".gz", []byte(one+one)))
	damaged := []byte(packed)
	damaged[len(damaged)-6] ^= 1
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "c.jsonl")); err != nil {
		t.Skip(err)
	}
	linked, err := jsonl.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := jsonl.NewFS(failingFS{fstest.MapFS{"c.jsonl": {}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := func(name, content string) *jsonl.Source { return memory(t, nil, map[string]string{name: content}) }
	for _, test := range []struct {
		src  *jsonl.Source
		want string
	}{
		{in("c.jsonl", one+`{"id":`), "c.jsonl, line 2: the last line ends in the middle of an object: the file is cut off"},
		{in("c/a.jsonl.gz", packed[:len(packed)-3]), "c/a.jsonl.gz, line 3: the compressed file is cut off"},
		{in("c.jsonl.gz", string(damaged)), "c.jsonl.gz, line 3: gzip: invalid checksum"},
		{in("c.jsonl.gz", packed+"x"), "c.jsonl.gz, line 3: other data follows the end of the compressed data"},
		{in("c.jsonl", "\xff\xfe{"), "c.jsonl, line 1: the file is UTF-16"},
		{in("c.json", "[{]\n"), "c.json, line 1: the file is not valid JSON"},
		{in("d.jsonl", one), `no file for the tenant "c"`},
		{
			memory(t, nil, map[string]string{"c.jsonl": one, "c.jsonl.gz": ""}),
			"more than one file for the same products: c.jsonl, c.jsonl.gz",
		},
		{memory(t, nil, map[string]string{"c/a.jsonl": one, "c/b.txt": ""}), "c/b.txt has none of the endings .jsonl"},
		{
			memory(t, &jsonl.Config{Files: map[string][]string{"c": {"no.jsonl"}}}, map[string]string{"d.jsonl": one}),
			"no.jsonl: file does not exist",
		},
		{linked, "c.jsonl: a symbolic link leads out of the folder"},
		{foreign, "c.jsonl, line 1: it cannot be read; the service's log has the details"},
	} {
		_, err := read(sourcetest.Products(t.Context(), test.src, "c"))
		text, ok := public.Text(err)
		if !ok || !strings.HasPrefix(strings.TrimPrefix(text, `tenant "c": `), test.want) {
			t.Errorf("callers see %q of %v, want %q", text, err, test.want)
		}
		for _, secret := range []string{dir, "hunter2", "storage.internal", "/etc"} {
			if strings.Contains(text, secret) {
				t.Errorf("callers see %q, want it without %s", text, secret)
			}
		}
	}
}

// Callers see the name of a file that changed during its read.
func TestPublicMessageOfChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "c.jsonl"), []byte(one))
	src, err := jsonl.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := src.Open(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "c.jsonl"), []byte(one+one))
	_, err = read(snap.Products(t.Context()))
	if text, _ := public.Text(err); !strings.HasPrefix(text, "c.jsonl: the file has changed during the read: it had ") {
		t.Errorf("callers see %q of %v, want the file and both sizes", text, err)
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}
