package csv_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"productindex/reindex"
	"productindex/source/csv"
	"productindex/source/internal/sourcetest"
)

// inParts reads a source in at most n parts. It returns the same as read, each list sorted, and the number of parts
// that are not empty.
func inParts(tb testing.TB, src *csv.Source, n int) (all, rejected []string, filled int, failed error) {
	tb.Helper()
	_, seqs, err := sourcetest.Split(tb, src, "acme", n)
	if err != nil {
		tb.Fatal(err)
	}
	if len(seqs) > n {
		tb.Errorf("got %d parts, want at most %d", len(seqs), n)
	}
	for _, seq := range seqs {
		before := len(all) + len(rejected)
		for p, err := range seq {
			if bad, ok := errors.AsType[*reindex.RecordError](err); ok {
				rejected = append(rejected, fmt.Sprintf("%s: %v", bad.Where, bad.Err))
			} else if err != nil {
				failed = err
			} else {
				all = append(all, p.ID+" "+string(p.Body))
			}
		}
		if len(all)+len(rejected) > before {
			filled++
		}
	}
	slices.Sort(all)
	slices.Sort(rejected)
	return all, rejected, filled, failed
}

// assertSameInParts checks that a file yields the same whole and in 1, 2 and 5 parts. It returns how many of the 5
// parts are not empty.
func assertSameInParts(tb testing.TB, content string, cfg *csv.Config) (filled int) {
	tb.Helper()
	src := newSource(tb, map[string]string{"acme.csv": content}, cfg)
	all, rejected, failed := read(tb, src)
	slices.Sort(all)
	slices.Sort(rejected)
	for _, n := range []int{1, 2, 5} {
		gotAll, gotRejected, parts, gotFailed := inParts(tb, src, n)
		if fmt.Sprint(gotFailed) != fmt.Sprint(failed) {
			tb.Fatalf("%d parts: got error %v, want %v", n, gotFailed, failed)
		}
		if failed == nil && (!slices.Equal(gotAll, all) || !slices.Equal(gotRejected, rejected)) {
			tb.Fatalf("%d parts: got %d products and %d rejections, want %d and %d, and the same",
				n, len(gotAll), len(gotRejected), len(all), len(rejected))
		}
		filled = parts
	}
	return filled
}

// repeated returns a header and repeated records of at least the given number of bytes. It replaces # by the number of
// the record.
func repeated(header, record string, bytes int) string {
	var b strings.Builder
	b.WriteString(header)
	for i := 0; b.Len() < bytes; i++ {
		b.WriteString(strings.ReplaceAll(record, "#", fmt.Sprint(i)))
	}
	return b.String()
}

// Every product is in one part, whatever text is near the boundary of two parts. No part is empty.
func TestPartsOfOneFile(t *testing.T) {
	const size = 500_000
	long := strings.Repeat("x", 30_000)
	arrays := &csv.Config{Arrays: []csv.Array{{Name: "variants", Columns: []string{"size"}}}}
	for name, test := range map[string]struct {
		content string
		cfg     *csv.Config
	}{
		"plain":          {repeated("id,name\n", "#,sock #\n", size), nil},
		"CRLF":           {repeated("id,name\r\n", "#,sock #\r\n", size), nil},
		"no last end":    {repeated("id,name\n", "#,sock #\n", size) + "last,sock", nil},
		"mark":           {"\ufeff" + repeated("id,name\n", "#,sock #\n", size), nil},
		"sep":            {"sep=;\n" + repeated("id;name\n", "#;sock, #\n", size), nil},
		"quoted lines":   {repeated("id,name\n", "#,\"a\n#,b\n\n#,c\"\n", size), nil},
		"doubled quotes": {repeated("id,name\n", "#,\"a \"\"\n\"\" #\"\r\n\n", size), nil},
		"long records":   {repeated("id,name\n", "#,\""+long+"\n"+long+"\"\n", size), nil},
		"no quotes":      {repeated("id,name\n", "#,\"open #\n", size), &csv.Config{NoQuotes: true}},
		"lazy quotes":    {repeated("id,name\n", "#,\"Deluxe\" sock\n", size), &csv.Config{LazyQuotes: true}},
		"title":          {"A title\n\"of\ntwo\"\n" + repeated("id,name\n", "#,sock\n", size), &csv.Config{SkipRows: 2}},
		"no header":      {repeated("", "#,sock\n", size), &csv.Config{Header: []string{"id", "name"}}},
		"comments":       {repeated("id,name\n", "// \"\n#,sock\n", size), &csv.Config{Comment: '/'}},
		"wrong quotes":   {repeated("id,name\n", "#,\"a\nb \"c\" #,d\n#x,sock\n", size), nil},
		"ragged":         {repeated("id,name\n", "#,sock\n#x,sock,more\n", size), nil},
		"arrays":         {repeated("id,size\n", "#,S\n#,M\n#,\"L\nXL\"\n", size), arrays},
		"bad in arrays":  {repeated("id,size\n", "#,S\n,no id\n#,M\n", size), arrays},
	} {
		t.Run(name, func(t *testing.T) {
			if filled := assertSameInParts(t, test.content, test.cfg); filled != 5 {
				t.Errorf("%d of 5 parts are not empty, want 5", filled)
			}
		})
	}
}

// A file whose second half cannot be read yields the same error in parts.
func TestPartsOfABrokenFile(t *testing.T) {
	good := repeated("id,name\n", "#,sock\n", 300_000)
	assertSameInParts(t, good+"open,\"sock\n"+good, nil)
	src := newSource(t, map[string]string{"acme.csv": good + "open,\"sock\n" + good}, nil)
	if _, _, _, err := inParts(t, src, 4); err == nil || !strings.Contains(err.Error(), "acme.csv, line ") {
		t.Errorf("got %v, want an error that names the file and the line", err)
	}
}

// The place of a bad record is its line in the file, not in the part.
func TestPartsNameTheLine(t *testing.T) {
	content := repeated("id,name\n", "#,\"so\nck\"\n", 300_000)
	line := strings.Count(content, "\n") + 1
	src := newSource(t, map[string]string{"acme.csv": content + "bad\n"}, nil)
	_, rejected, _, err := inParts(t, src, 4)
	want := fmt.Sprintf("acme.csv, line %d: ", line)
	if err != nil || len(rejected) != 1 || !strings.HasPrefix(rejected[0], want) {
		t.Errorf("rejected %q, error %v; want %q", rejected, err, want)
	}
}

// A file cannot be split if it is compressed or not in UTF-8, or if its lines end with CR alone.
func TestFilesWithoutParts(t *testing.T) {
	content := repeated("id,name\n", "#,sock\n", 300_000)
	for name, test := range map[string]struct {
		file, content string
		cfg           *csv.Config
	}{
		"compressed": {"acme.csv.gz", content, nil},
		"encoded":    {"acme.csv", content, &csv.Config{Encoding: charmap.Windows1252}},
		"UTF-16":     {"acme.csv", "\xff\xfei\x00d\x00\n\x001\x00\n\x00", nil},
		"CR":         {"acme.csv", strings.ReplaceAll(content, "\n", "\r"), nil},
	} {
		_, _, err := sourcetest.Split(t, newSource(t, map[string]string{test.file: test.content}, test.cfg), "acme", 4)
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported", name, err)
		}
	}
}
