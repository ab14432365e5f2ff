package jsonl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"unicode/utf8"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/internal/sourcetest"
	"productindex/source/jsonl"
)

// Products may be the elements of an array, or objects that span lines.
func TestValues(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`[{"id":"1"},{"id":"2"}]`: `{"id":"1"} line 1, byte 2|` +
			`{"id":"2"} line 1, byte 13`,
		"\ufeff[\r\n  {\r\n    \"id\": \"1\"\r\n  " +
			"},\r\n{\"id\":2}]\n": "{\r\n    \"id\": \"1\"\r\n  } line 2, byte 9|{\"id\":2} line 5, byte 33",
		"{\n  \"id\": 1\n}\n{\n  \"id\": 2\n}\n": "{\n  \"id\": 1\n} line 1, byte 1|{\n  \"id\": 2\n} line 4, byte 15",
		"{\n}{\n\"id\":3}":                       "!line 1, byte 1|{\n\"id\":3} line 2, byte 4",
		"[]":                                     "",
		" [ ] ":                                  "",
		"[]\n[]":                                 "",
		"[{\"id\":\"]}\\\"[{\"}]":                "{\"id\":\"]}\\\"[{\"} line 1, byte 2",
		"[{\"id\":1}]\n[{\"id\":2}]":             "{\"id\":1} line 1, byte 2|{\"id\":2} line 2, byte 13",
		"[1, \"x\", null,\n[{}], {\"id\":1}]": "!line 1, byte 2|!line 1, byte 5|!line 1, byte 10|!line 2, byte " +
			"16|{\"id\":1} line 2, byte 22",
		"[{\"id\":1, bad}, {\"id\":2}]": "{\"id\":1, bad} line 1, byte 2|{\"id\":2} line 1, byte 17",
	} {
		for _, name := range []string{"c.json", "c.jsonl.gz", "c.ndjson.zst"} {
			src := memory(t, nil, map[string]string{name: string(sourcetest.Compress(t, name, []byte(content)))})
			var got []string
			for p, err := range sourcetest.Products(t.Context(), src, "c") {
				if bad, ok := errors.AsType[*reindex.RecordError](err); ok {
					got = append(got, "!"+strings.TrimPrefix(bad.Where, name+", "))
					continue
				}
				if err != nil {
					t.Fatalf("%q: got error %v, want none", content, err)
				}
				where, err := sourcetest.Locate(t, src, "c", p.ID)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(p.Body)+" "+strings.TrimPrefix(where[p.ID], name+", "))
			}
			if strings.Join(got, "|") != want {
				t.Errorf("%q in %s:\ngot  %q\nwant %q", content, name, strings.Join(got, "|"), want)
			}
			if n, err := sourcetest.Estimate(t, src, "c"); err != nil || n != int64(len(got)) {
				t.Errorf("%q in %s: counted %d, %v, want %d", content, name, n, err, len(got))
			}
		}
	}
}

// An error that makes the rest of the values unreadable ends the read. It names the line.
func TestBrokenValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		content  string
		products int
		line     int64
		target   error
		text     string
	}{
		{"[" + one, 1, 2, io.ErrUnexpectedEOF, "the array is not closed"},
		{"[" + one + ",", 1, 2, io.ErrUnexpectedEOF, "cut off"},
		{"[\n{\"id\":1},\n{\"id\":2,\n\"x\":[1,", 1, 3, io.ErrUnexpectedEOF, "the value that begins here has no end"},
		{"[\n{\"id\":1},\n\"x", 1, 3, io.ErrUnexpectedEOF, "cut off"},
		{"[\n{\"id\":1}\n{\"id\":2}]", 1, 3, nil, "because of '{' at byte 12"},
		{"[\n{\"id\":1},\n]", 1, 3, nil, "because of ']' at byte 13"},
		{"[\n,{\"id\":1}]", 0, 2, nil, "because of ',' at byte 3"},
		{"[{\"id\":1}]\n}", 1, 2, nil, "because of '}' at byte 12"},
		{"[{\"id\":1,\n\"x\":[1}]", 0, 2, nil, "because of '}' at byte 17"},
		{"[{\"id\":1,\n\"x\":\"no end}\n,{\"id\":2}]", 0, 2, nil, "a string is not closed on its line"},
	} {
		for _, name := range []string{"c.json", "c.jsonl.gz"} {
			src := memory(t, nil, map[string]string{name: string(sourcetest.Compress(t, name, []byte(c.content)))})
			ends(t, src, name, c.products, c.line, c.target, c.text)
		}
	}
}

func TestLongValues(t *testing.T) {
	t.Parallel()
	long := `{"text":[` + strings.Repeat("{\"x\":\"\\\\\"},\n", 100_000) + `1],"id":"2"}`
	src := memory(
		t,
		&jsonl.Config{MaxLineBytes: 1 << 19},
		map[string]string{"c.json": "[" + one + "," + long + ",\n" + one + "]"},
	)
	ids, rejected, err := readAll(sourcetest.Products(t.Context(), src, "c"))
	if err != nil || fmt.Sprint(ids) != "[1 1]" || len(rejected) != 1 || !errors.Is(rejected[0], jsonl.ErrTooLong) ||
		rejected[0].Where != "c.json, line 2, byte 14" {
		t.Errorf("got %v, rejected %v, error %v, want [1 1] and the long value as too long", ids, rejected, err)
	}
	if where, err := sourcetest.Locate(t, src, "c", "1"); err != nil || where["1"] != "c.json, line 1, byte 2" {
		t.Errorf("got the places %v, error %v, want line 1, byte 2", where, err)
	}
	src = memory(t, nil,
		map[string]string{"c.json": "[" + one + "," + long + ",\n" + strings.Replace(one, "1", "3", 1) + "]"})
	if where, err := sourcetest.Locate(t, src, "c", "3"); err != nil ||
		where["3"] != fmt.Sprintf("c.json, line 100003, byte %d", len(one)+len(long)+5) {
		t.Errorf("got the places %v, error %v, want line 100003", where, err)
	}
}

// A single file that holds an array is not split.
func TestPartsOfArrays(t *testing.T) {
	t.Parallel()
	array := "[" + strings.ReplaceAll(strings.TrimSpace(string(catalogue(1000))), "\n", ",\n") + "]"
	if _, _, err := sourcetest.Split(t, memory(t, nil, map[string]string{"c.json": array}), "c",
		4); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got error %v, want ErrUnsupported", err)
	}
	ids, err := parts(t, memory(t, nil, map[string]string{"c/1.json": array, "c/2.jsonl": string(catalogue(1000))}), 2)
	if err != nil || len(ids) != 2 || len(slices.Concat(ids...)) != 2000 {
		t.Errorf("got %d parts of %d products, error %v, want 2 of 2000", len(ids), len(slices.Concat(ids...)), err)
	}
}

func TestConformanceOfArrays(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"acme.json", "acme.json.gz"} {
		reindextest.TestSource(t, func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
			t.Helper()
			var bodies [][]byte
			for _, p := range products {
				bodies = append(bodies, p.Body)
			}
			array := "[" + string(bytes.Join(bodies, []byte(","))) + "]"
			return reindextest.SourceFixture{
				Source: memory(
					t,
					nil,
					map[string]string{name: string(sourcetest.Compress(t, name, []byte(array)))},
				),
				Tenant: "acme",
			}
		}, func(got, want json.RawMessage) bool { return bytes.Equal(got, want) })
	}
}

// FuzzRecords checks that every record of a file is read, is rejected with its place, or ends the read.
func FuzzRecords(f *testing.F) {
	for _, content := range []string{
		"{\"id\":1}\n{\"id\":2}", "\ufeff{\"id\":1}\r\n\r\nbad\n{\"no\":1}\n{\"id\":1.0}\n{\"id\":\"\xff\"}\n",
		"{\"id\":1}\n{\"id\":2,",
		"[{\"id\":1},\n {\"id\":[2]} , 7]", "{\n\"id\":1}\n{\"id\":2}[[]]", "[\"]", "[{\"id\":1}]x\n",
		"{\n\"id\": {\"x\":\"}\n", "\n[\n", "{\"id\":1}\n0123456789\n{\"id\":2}",
		"[1234567890,{\"id\":2}]",
	} {
		f.Add([]byte(content), false)
		f.Add([]byte(content), true)
	}
	f.Fuzz(func(t *testing.T, content []byte, short bool) {
		cfg := &jsonl.Config{}
		if short {
			cfg.MaxLineBytes = 9
		}
		src, err := jsonl.NewFS(slow{fstest.MapFS{"c.jsonl": {Data: content}}}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		var ended error
		for p, err := range sourcetest.Products(t.Context(), src, "c") {
			bad, rejected := errors.AsType[*reindex.RecordError](err)
			switch {
			case rejected:
				got = append(got, bad.Where)
			case err != nil:
				ended = err
			default:
				got = append(got, string(p.Body))
			}
		}
		if isValues(content) {
			checkValues(t, content, got, ended)
		} else {
			checkLines(t, content, cfg.MaxLineBytes, got, ended)
		}
		n, err := sourcetest.Estimate(t, src, "c")
		if (err == nil) != (ended == nil) || err == nil && n != int64(len(got)) {
			t.Errorf("estimated %d records, error %v, want %d, error %v", n, err, len(got), ended)
		}
	})
}

// isValues reports whether content is read as values, not as lines.
func isValues(content []byte) bool {
	return regexp.MustCompile(`^(\x{feff})?[ \t\r\n]*(\[|\{[ \t\r]*\n[ \t\r\n]*["}])`).Match(content)
}

// checkLines compares the records that were read with the lines of content.
func checkLines(t *testing.T, content []byte, longest int, got []string, ended error) {
	t.Helper()
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		if ended == nil || len(got) > 0 {
			t.Fatalf("got %q of a file in UTF-16, error %v, want only an error", got, ended)
		}
		return
	}
	n := 0
	lines := bytes.Split(content, []byte("\n"))
	for i, line := range lines {
		text := bytes.Trim(bytes.TrimPrefix(line, []byte("\ufeff")), " \t\r\n")
		tooLong := longest > 0 && len(line) > longest
		if len(text) == 0 && !tooLong {
			continue
		}
		where := fmt.Sprintf("c.jsonl, line %d", i+1)
		if n == len(got) {
			lineErr, ok := errors.AsType[*jsonl.LineError](ended)
			if !ok || lineErr.Line != int64(i+1) || i < len(lines)-1 || json.Valid(text) {
				t.Fatalf("line %d is missing: %q; the read ended with %v, want an error only in the last line", i+1, text, ended)
			}
			return
		}
		switch {
		case got[n] == where:
			if json.Valid(text) && !tooLong && hasID(text) {
				t.Fatalf("line %d was rejected, want it read: %q", i+1, text)
			}
		case got[n] != string(text) || tooLong:
			t.Fatalf("got %q, want line %d: %q", got[n], i+1, text)
		}
		n++
	}
	if n != len(got) || ended != nil {
		t.Fatalf("got %d records, %v, want %d", len(got), ended, n)
	}
}

// hasID reports whether valid JSON is an object with an id.
func hasID(text []byte) bool {
	var object struct {
		ID *json.RawMessage `json:"id"`
	}
	err := json.Unmarshal(text, &object)
	return err == nil && bytes.Count(text, []byte("id")) == 1 && object.ID != nil && utf8.Valid(text) &&
		!bytes.Contains(text, []byte(`\`)) &&
		regexp.MustCompile(`^("[^"]+"|0|-?[1-9][0-9]*)$`).Match(*object.ID)
}

// checkValues checks that only separators are between the values that were read, and that every value was read if
// content is valid JSON.
func checkValues(t *testing.T, content []byte, got []string, ended error) {
	t.Helper()
	separators := regexp.MustCompile(`^([ \t\r\n,\[\]]|\x{feff})*`)
	at, rejected := 0, false
	for _, record := range got {
		var line, offset int
		start := at + len(separators.Find(content[at:]))
		if _, err := fmt.Sscanf(record, "c.jsonl, line %d, byte %d", &line, &offset); err == nil {
			if line != 1+bytes.Count(content[:offset-1], []byte("\n")) || offset-1 < at || offset-1 > start && !rejected {
				t.Fatalf("got the place %q, want one of a value after byte %d", record, at)
			}
			at, rejected = offset, true // a rejected array also begins with a separator
			continue
		}
		if rejected {
			start = at + max(0, bytes.Index(content[at:], []byte(record)))
		}
		if !bytes.HasPrefix(content[start:], []byte(record)) {
			t.Fatalf("got %q, want the text at byte %d", record, start+1)
		}
		at, rejected = start+len(record), false
	}
	if ended == nil && !rejected && at+len(separators.Find(content[at:])) != len(content) {
		t.Fatalf("%q was not read, want only separators", content[at:])
	}
	want := 0
	text := bytes.TrimPrefix(content, []byte("\ufeff"))
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := d.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return
		}
		if rest := text[d.InputOffset():]; !bytes.ContainsAny(value[:1], "{[\"") && len(rest) > 0 &&
			!bytes.ContainsAny(rest[:1], " \t\r\n") {
			return // encoding/json reads 00 as two numbers
		}
		var elements []json.RawMessage
		if value[0] == '[' && json.Unmarshal(value, &elements) == nil {
			want += len(elements)
		} else {
			want++
		}
	}
	if ended != nil || len(got) != want {
		t.Fatalf("got %d values of valid JSON, %v, want %d", len(got), ended, want)
	}
}

// slow is a file system whose files are read byte by byte.
type slow struct{ fstest.MapFS }

func (s slow) Open(name string) (fs.File, error) {
	f, err := s.MapFS.Open(name)
	if _, dir := f.(fs.ReadDirFile); err != nil || dir {
		return f, err
	}
	return slowFile{f, iotest.OneByteReader(f)}, nil
}

type slowFile struct {
	fs.File

	r io.Reader
}

func (f slowFile) Read(p []byte) (int, error) { return f.r.Read(p) }
