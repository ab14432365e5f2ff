package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex/reindextest"
)

// TestMain runs the program itself in the processes that the benchmark starts.
func TestMain(m *testing.M) {
	if os.Getenv("BENCHMARK_CHILD") == "true" {
		main()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/blevesearch/bleve_index_api.AnalysisWorker"))
}

// products writes a catalogue of n products and returns its file.
func products(t *testing.T, n int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "products.jsonl")
	err := writeLines(file, func(write func([]byte) error) error {
		for _, p := range reindextest.Products(n, "x") {
			if err := write(p.Body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// output runs the benchmark and returns what it prints.
func output(t *testing.T, args ...string) string {
	t.Helper()
	t.Setenv("BENCHMARK_CHILD", "true")
	t.Setenv("MEILISEARCH_URL", "")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() {
		text, _ := io.ReadAll(r)
		read <- text
	}()
	stdout := os.Stdout
	os.Stdout = w
	err = run(append([]string{"-settle", "500ms"}, args...))
	os.Stdout = stdout
	w.Close()
	text := <-read
	if err != nil {
		t.Fatalf("%q: got error %v, want none", args, err)
	}
	return string(text)
}

// Both loads of every backend without a server succeed and find the same number of products.
func TestCompare(t *testing.T) {
	file := products(t, 400)
	for _, name := range []string{"bleve", "null"} {
		lines := strings.Split(strings.TrimSpace(output(t, "-backend", name, "-catalogue", file, "-rounds", "1")), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "ratio=") {
			t.Errorf("%s: the last line is %q, want one that begins with ratio=", name, last)
		}
	}
}

// If several products have the same id, both loads have only the first of them.
func TestDuplicates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "products.jsonl")
	lines := `{"id":"a","name":"wool socks"}
{"id":"b","name":"cotton socks"}
{"id":"a","name":"oak table"}
`
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	var got comparison
	text := output(t, "-catalogue", file, "-rounds", "1", "-json")
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Products != 2 || got.Duplicates != 1 || got.Median.Engine.Products != 2 || got.Median.Engine.Hits == 0 {
		t.Errorf("the result is %s, want 2 products, 1 duplicate, and hits", text)
	}
	c, err := prepare(file, 0, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(c.file); err != nil || strings.Contains(string(kept), "oak") ||
		!strings.Contains(string(kept), "wool") {
		t.Errorf("the products are %s, error %v, want the first product of each id", kept, err)
	}
}

// The JSON has all figures.
func TestJSON(t *testing.T) {
	profiles := filepath.Join(t.TempDir(), "profiles")
	var got comparison
	text := output(t, "-catalogue", products(t, 150), "-rounds", "1", "-products", "400", "-json", "-cpuprofile", profiles)
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("got error %v, want only known fields in %s", err, text)
	}
	if got.Products != 400 || len(got.Rounds) != 1 || got.Backend != "bleve" || got.CPUs < 1 || got.Ratio <= 0 {
		t.Errorf("the result is %s, want one round of bleve with 400 products", text)
	}
	for _, r := range []result{got.Median.Engine, got.Median.Library, got.Rounds[0].Engine} {
		for _, f := range figures {
			if v := *f.of(&r); v <= 0 && f.name != "settled after, s" && !strings.Contains(f.name, "shopper") {
				t.Errorf("%s is %v, want a positive number", f.name, v)
			}
		}
	}
	found, err := filepath.Glob(filepath.Join(profiles, "bleve-400-*.pprof"))
	if err != nil || len(found) != 2 {
		t.Errorf("found the profiles %q, error %v, want 2", found, err)
	}
}

// The queries of shoppers come from a file beside the real catalogues.
func TestShopperQueries(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(dataVariable, folder)
	if got, err := shopperQueries("pcparts"); len(got) > 0 || err != nil {
		t.Errorf("without a file: got %q, error %v, want none", got, err)
	}
	content := "retail\tbackpack\tstyle=backpack\npcparts\trtx 4090\tname~RTX 4090\n"
	if err := os.WriteFile(filepath.Join(folder, shopperFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for catalogue, want := range map[string][]string{"pcparts": {"rtx 4090"}, "multilingual": nil} {
		if got, err := shopperQueries(catalogue); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: got %q, error %v, want %q", catalogue, got, err, want)
		}
	}
}

func TestScale(t *testing.T) {
	text := strings.TrimSpace(
		output(t, "-backend", "null", "-catalogue", products(t, 50), "-rounds", "2", "-scale", "10,100"),
	)
	if !strings.Contains(text[strings.LastIndex(text, "\n"):], "spread=") {
		t.Errorf("the result is %s, want a spread in the last line", text)
	}
	var got scaling
	text = output(t, "-backend", "null", "-catalogue", "multilingual", "-rounds", "2", "-scale", "10,200", "-json")
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Sizes) != 2 || got.Sizes[1].Products != 200 || got.Sizes[1].Median.Products != 200 ||
		got.Sizes[0].Cost <= 0 ||
		len(got.Sizes[0].Rounds) != 2 ||
		got.Spread < 1 {
		t.Errorf("the result is %+v, want two sizes with two rounds, up to 200 products", got)
	}
}

// For every number of products, the ids are unique, and each product of the catalogue comes equally often.
func TestResize(t *testing.T) {
	file := products(t, 10)
	for _, n := range []int{1, 4, 10, 25} {
		c, err := prepare(file, n, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		times := map[string]int{}
		err = eachLine(c.file, func(id string, line []byte) error {
			ids = append(ids, id)
			original, _, _ := strings.Cut(id, "-")
			times[original]++
			if !bytes.Contains(line, []byte(`"Product `+original+`"`)) {
				t.Errorf("product %s is %s, want a copy of a product with another id", id, line)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(ids)
		if len(ids) != n || len(slices.Compact(ids)) != n || c.products != n {
			t.Errorf("%d products: got the ids %q, want as many, all different", n, ids)
		}
		for id, count := range times {
			if count < n/10 || count > n/10+1 {
				t.Errorf("%d products: %s comes %d times, want %d or %d", n, id, count, n/10, n/10+1)
			}
		}
		if last := fmt.Sprintf("p%d", (n%10-1)*10/max(n%10, 1)); n%10 > 0 && times[last] != n/10+1 {
			t.Errorf("%d products: the ids occur %v times, want those of the whole catalogue", n, times)
		}
	}
	if _, err := withID([]byte(`{"name":"a","id":"a"}`), "a", "a-1"); err == nil {
		t.Error("withID changes a text that is not the id")
	}
}

// The generated catalogue is the same each time, with about 2 KB per product and 14 languages.
func TestGenerate(t *testing.T) {
	var first, again bytes.Buffer
	to := func(b *bytes.Buffer) func([]byte) error {
		return func(line []byte) error {
			b.Write(line)
			return b.WriteByte('\n')
		}
	}
	const n = 200
	if err := generate(n, to(&first)); err != nil {
		t.Fatal(err)
	}
	if err := generate(n/2, to(&again)); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(first.Bytes(), again.Bytes()) {
		t.Error("the products differ from time to time, or depend on their number")
	}
	if mean := first.Len() / n; mean < 1800 || mean > 2200 {
		t.Errorf("a product has %d bytes on average, want about 2000", mean)
	}
	var p multilingual
	if err := json.Unmarshal(bytes.SplitN(first.Bytes(), []byte("\n"), 2)[0], &p); err != nil || len(p.Name) != 14 ||
		len(p.Description) != 14 {
		t.Errorf("the first product is %+v, error %v, want 14 languages", p, err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-backend", "none"}, {"-rounds", "0"}, {"-products", "-1"}, {"-unknown"}, {"-scale", "10,x"}, {"-scale", "0"},
		{"-settle", "0s"}, {"rest"},
		{"-scale", "10", "-products", "5"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse accepts %q, want an error", args)
		}
	}
	for _, args := range [][]string{{"-catalogue", "no-such-file"}, {"-load", "other"}} {
		if err := run(args); err == nil {
			t.Errorf("run accepts %q, want an error", args)
		}
	}
}
