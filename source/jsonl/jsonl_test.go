package jsonl_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// one is a file of one product.
const one = `{"id":"1"}` + "\n"

// memory returns a source over files in memory.
func memory(tb testing.TB, cfg *jsonl.Config, files map[string]string) *jsonl.Source {
	tb.Helper()
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	src, err := jsonl.NewFS(fsys, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

func TestFilesOfTenants(t *testing.T) {
	t.Parallel()
	src := memory(t, nil, map[string]string{
		"plain.jsonl":             one,
		"nd.ndjson":               one,
		"nd-gz.ndjson.gz":         string(sourcetest.Compress(t, ".gz", []byte(one))),
		"zst.jsonl.zst":           string(sourcetest.Compress(t, ".zst", []byte(one))),
		"named-gz.jsonl.gz":       one,
		"named-plain.jsonl":       string(sourcetest.Compress(t, ".gz", []byte(one))),
		"empty.jsonl":             "",
		"folder/b.jsonl":          `{"id":"2"}`,
		"folder/a.jsonl.gz":       string(sourcetest.Compress(t, ".gz", []byte(one))),
		"folder/c.ndjson.zst":     string(sourcetest.Compress(t, ".zst", []byte(`{"id":"3"}`))),
		"folder/_SUCCESS":         "",
		"folder/._a.jsonl":        "what some systems put beside a file",
		"a.b.jsonl":               one,
		"other.txt":               one,
		"two.jsonl":               one,
		"two.jsonl.gz":            one,
		"both.jsonl":              one,
		"both/1.jsonl":            one,
		"strange/1.jsonl":         one,
		"strange/2.jsonl.bz2":     "",
		"twice/1.jsonl":           one,
		"twice/1.ndjson":          one,
		"nested/1.jsonl":          one,
		"nested/more/1.jsonl":     one,
		"none/_1.jsonl":           one,
		"irregular.jsonl/1.jsonl": one,
		"é.jsonl":                 one,
	})
	for tenant, want := range map[string]string{
		"plain": "[1]", "nd": "[1]", "nd-gz": "[1]", "zst": "[1]", "named-gz": "[1]", "named-plain": "[1]", "empty": "[]",
		"folder": "[1 2 3]",
		"a.b":    "[1]", "é": "[1]",
	} {
		if ids, err := read(sourcetest.Products(t.Context(), src, tenant)); err != nil || fmt.Sprint(ids) != want {
			t.Errorf("%s: got %v, %v, want %s", tenant, ids, err, want)
		}
	}
	for tenant, want := range map[string]error{
		"": reindex.ErrTenant, "a\x00": reindex.ErrTenant, "unknown": jsonl.ErrUnknownTenant, "Plain": jsonl.ErrUnknownTenant,
		".": jsonl.ErrUnknownTenant, "..": jsonl.ErrUnknownTenant, "folder/a": jsonl.ErrUnknownTenant,
		"./plain":     jsonl.ErrUnknownTenant,
		"plain.jsonl": jsonl.ErrUnknownTenant, "a": jsonl.ErrUnknownTenant, "*": jsonl.ErrUnknownTenant,
		"other":    jsonl.ErrUnknownTenant,
		`folder\a`: jsonl.ErrUnknownTenant, "e\u0301": jsonl.ErrUnknownTenant, "none": jsonl.ErrUnknownTenant,
		"two": jsonl.ErrAmbiguous, "both": jsonl.ErrAmbiguous, "twice": jsonl.ErrAmbiguous,
	} {
		if ids, err := read(sourcetest.Products(t.Context(), src, tenant)); !errors.Is(err, want) || ids != nil {
			t.Errorf("%q: got %v, %v, want %v", tenant, ids, err, want)
		}
		if _, err := sourcetest.Estimate(t, src, tenant); !errors.Is(err, want) {
			t.Errorf("%q: the estimate has error %v, want %v", tenant, err, want)
		}
		if _, _, err := sourcetest.Split(t, src, tenant, 2); !errors.Is(err, want) {
			t.Errorf("%q: Split has error %v, want %v", tenant, err, want)
		}
	}
	for tenant, want := range map[string]string{
		"strange": "strange/2.jsonl.bz2", "nested": "nested/more", "two": "two.jsonl, two.jsonl.gz",
		"irregular": "not a regular file",
		"unknown":   `no file for the tenant "unknown"`,
	} {
		if _, err := read(sourcetest.Products(t.Context(), src, tenant)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", tenant, err, want)
		}
	}
}

func TestConfigFiles(t *testing.T) {
	t.Parallel()
	files := map[string][]string{"acme": {"b.txt", "sub/a.jsonl"}}
	src := memory(t, &jsonl.Config{Files: files, IDField: "sku"}, map[string]string{
		"b.txt": `{"sku":1,"id":"no"}`, "sub/a.jsonl": `{"sku":2}`, "other.jsonl": `{"sku":3}`,
	})
	files["acme"][0], files["other"] = "changed afterwards", []string{"other.jsonl"}
	if ids, err := read(sourcetest.Products(t.Context(), src, "acme")); err != nil || fmt.Sprint(ids) != "[1 2]" {
		t.Errorf("got %v, error %v, want [1 2]", ids, err)
	}
	if _, err := read(sourcetest.Products(t.Context(), src, "other")); !errors.Is(err, jsonl.ErrUnknownTenant) {
		t.Errorf("got error %v, want ErrUnknownTenant", err)
	}
	src = memory(t, &jsonl.Config{Files: map[string][]string{"acme": {"gone.jsonl"}}}, nil)
	_, err := read(sourcetest.Products(t.Context(), src, "acme"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "gone.jsonl") {
		t.Errorf("got error %v, want fs.ErrNotExist with the name of the file", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]jsonl.Config{
		"MaxLineBytes is -1":          {MaxLineBytes: -1},
		"has no files":                {Files: map[string][]string{"acme": nil}},
		`"../up.jsonl"`:               {Files: map[string][]string{"acme": {"../up.jsonl"}}},
		`"/etc/passwd"`:               {Files: map[string][]string{"acme": {"/etc/passwd"}}},
		`"."`:                         {Files: map[string][]string{"acme": {"."}}},
		"invalid tenant: it is empty": {Files: map[string][]string{"": {"a.jsonl"}}},
	} {
		if _, err := jsonl.NewFS(fstest.MapFS{}, &cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := jsonl.New(filepath.Join(t.TempDir(), "gone"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
}

func TestLinesOfFiles(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"\ufeff{\"id\":\"1\"}\n{\"id\":\"2\"}":         `{"id":"1"}|{"id":"2"}`,
		"{\"id\":\"1\"}\r\n\r\n \t{\"id\":\"2\"} \r\n": `{"id":"1"}|{"id":"2"}`,
		"\n\n{\"id\":\"1\"}\n\n\n":                     `{"id":"1"}`,
		"\ufeff":                                       "",
		"\ufeff\n":                                     "",
		"\n":                                           "",
		"":                                             "",
		"{\"id\":\"ü\"}\n{\"id\" : 2 }":                `{"id":"ü"}|{"id" : 2 }`,
	} {
		for _, name := range []string{"c.jsonl", "c.jsonl.gz", "c.jsonl.zst"} {
			src := memory(t, nil, map[string]string{name: string(sourcetest.Compress(t, name, []byte(content)))})
			var got []string
			for p, err := range sourcetest.Products(t.Context(), src, "c") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(p.Body))
			}
			if strings.Join(got, "|") != want {
				t.Errorf("%q in %s: got %q, want %q", content, name, got, want)
			}
			if n, err := sourcetest.Estimate(t, src, "c"); err != nil || n != int64(len(got)) {
				t.Errorf("%q in %s: counted %d, %v, want %d", content, name, n, err, len(got))
			}
		}
	}
}

// Bodies share larger pieces of memory. A body is not overwritten, and appending to one does not change another.
func TestBodiesStay(t *testing.T) {
	t.Parallel()
	content := catalogue(1000)
	for _, name := range []string{"c.jsonl", "c.jsonl.gz", "c.jsonl.zst"} {
		src := memory(t, nil, map[string]string{name: string(sourcetest.Compress(t, name, content))})
		var bodies [][]byte
		for p, err := range sourcetest.Products(t.Context(), src, "c") {
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, p.Body)
			_ = append(p.Body, "appending must not write into the next body"...)
		}
		if got := append(bytes.Join(bodies, []byte("\n")), '\n'); !bytes.Equal(got, content) {
			t.Errorf("%s: the bodies differ from the lines, want the same", name)
		}
	}
}

// A compressed file may have several members, and a line may span two of them.
func TestCompressedMembers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"c.jsonl.gz", "c.jsonl.zst"} {
		members := bytes.Join([][]byte{
			sourcetest.Compress(
				t,
				name,
				[]byte("{\"id\":\"1\"}\n{\"id"),
			),
			sourcetest.Compress(t, name, nil),
			sourcetest.Compress(t, name, []byte("\":\"2\"}\n")),
		}, nil)
		ids, err := read(sourcetest.Products(t.Context(), memory(t, nil, map[string]string{name: string(members)}), "c"))
		if err != nil || fmt.Sprint(ids) != "[1 2]" {
			t.Errorf("%s: got %v, error %v, want [1 2]", name, ids, err)
		}
	}
}

func TestRealCatalogues(t *testing.T) {
	t.Parallel()
	for tenant, want := range map[string]int64{"retail": 2465, "pcparts": 47551} {
		src, err := jsonl.New(filepath.Dir(reindextest.Catalogue(t, tenant+".jsonl.gz")), nil)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for p, err := range sourcetest.Products(t.Context(), src, tenant) {
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(p.Body, fmt.Appendf(nil, `{"id": %q,`, p.ID)) {
				t.Fatalf("got the id %q for %.60s, want the one in the body", p.ID, p.Body)
			}
			ids[p.ID] = true
		}
		if n, err := sourcetest.Estimate(t, src, tenant); err != nil || n != want || len(ids) != int(want) {
			t.Errorf("%s: counted %d, %v, read %d ids, want %d", tenant, n, err, len(ids), want)
		}
	}
}

func TestLinksOutOfTheFolder(t *testing.T) {
	t.Parallel()
	outside, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "secret.jsonl"), []byte(one))
	write(t, filepath.Join(dir, "real.jsonl"), []byte(one))
	for name, target := range map[string]string{
		"file.jsonl": filepath.Join(outside, "secret.jsonl"), "folder": outside, "inside.jsonl": "real.jsonl",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	src, err := jsonl.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{"file", "folder"} {
		ids, err := read(sourcetest.Products(t.Context(), src, tenant))
		if err == nil || ids != nil || !strings.Contains(err.Error(), tenant) || strings.Contains(err.Error(), outside) ||
			!strings.Contains(err.Error(), "a symbolic link leads out of the folder; Config.FollowLinks allows it") {
			t.Errorf("%s: got %v, error %v, want only an error about the link", tenant, ids, err)
		}
	}
	if ids, err := read(sourcetest.Products(t.Context(), src, "inside")); err != nil || len(ids) != 1 {
		t.Errorf("got %v, error %v, want one product", ids, err)
	}
	current := filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(dir, current); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, current} {
		if src, err = jsonl.New(path, &jsonl.Config{FollowLinks: true}); err != nil {
			t.Fatal(err)
		}
		for _, tenant := range []string{"file", "folder", "inside"} {
			if ids, err := read(sourcetest.Products(t.Context(), src, tenant)); err != nil || len(ids) != 1 {
				t.Errorf("%s: got %v, error %v, want one product", tenant, ids, err)
			}
		}
	}
	if _, err := jsonl.New(filepath.Join(dir, "gone"), &jsonl.Config{FollowLinks: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
}

// The folder may be a symbolic link that is switched between two reads. Errors do not reveal its path.
func TestFolderIsOpenedAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "v1", "c.jsonl"), []byte(`{"id":"1"}`))
	write(t, filepath.Join(dir, "v2", "c.jsonl"), []byte(`{"id":"2"}`))
	current := filepath.Join(dir, "current")
	if err := os.Symlink("v1", current); err != nil {
		t.Skip(err)
	}
	src, err := jsonl.New(current, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v1", "v2"} {
		if err := errors.Join(os.Remove(current), os.Symlink(version, current)); err != nil {
			t.Fatal(err)
		}
		if ids, err := read(sourcetest.Products(t.Context(), src, "c")); err != nil || "v"+ids[0] != version {
			t.Errorf("%s: got %v, error %v, want the product of this version", version, ids, err)
		}
	}
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if _, err := read(sourcetest.Products(t.Context(), src, "c")); !errors.Is(err, fs.ErrNotExist) ||
		strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v, want fs.ErrNotExist without the path", err)
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	src := memory(t, nil, map[string]string{
		"c/1.jsonl":    "{\"id\":\"a\"}\n\n{\"id\":\"b\",bad}\n{\"no\":1}\n{\"id\":\"b\"}\n",
		"c/2.jsonl.gz": string(sourcetest.Compress(t, ".gz", []byte("{\"id\":7}\n"))),
		"c/3.jsonl":    `{"cut off`,
	})
	got, err := sourcetest.Locate(t, src, "c", "b", "7")
	want := map[string]string{"b": "c/1.jsonl, line 3", "7": "c/2.jsonl.gz, line 1"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, error %v, want %v", got, err, want)
	}
	if got, err = sourcetest.Locate(t, src, "c"); err != nil || len(got) != 0 {
		t.Errorf("got %v, error %v, want no places", got, err)
	}
	got, err = sourcetest.Locate(t, src, "c", "a", "gone")
	if !errors.Is(err, io.ErrUnexpectedEOF) || !maps.Equal(got, map[string]string{"a": "c/1.jsonl, line 1"}) {
		t.Errorf("got %v, error %v, want the place of a, and io.ErrUnexpectedEOF", got, err)
	}
	if _, err := sourcetest.Locate(t, src, "unknown", "a"); !errors.Is(err, jsonl.ErrUnknownTenant) {
		t.Errorf("got error %v, want ErrUnknownTenant", err)
	}
}
