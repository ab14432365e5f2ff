package source_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"productindex/reindex"
	"productindex/source"
)

const sock = `{"id": "p", "name": {"en":"Sock","de":"Socke"}, "variants":[{"sku":"a",` +
	`"label":"A"}, {"sku":"b"}, 7], "a.b":1, "empty":{}, "deep":{"x":{"label":2.50,"y":[[{"label":3}]]}}}`

func TestSelectAndExclude(t *testing.T) {
	for paths, want := range map[string]struct{ selected, excluded string }{
		"id": {`{"id":"p"}`, `{"name":{"en":"Sock","de":"Socke"},"variants":[{"sku":"a",` +
			`"label":"A"}, {"sku":"b"}, 7],"a.b":1,"empty":{},"deep":{"x":{"label":2.50,"y":[[{"label":3}]]}}}`},
		"name": {`{"name":{"en":"Sock","de":"Socke"}}`, `{"id":"p","variants":[{"sku":"a",` +
			`"label":"A"}, {"sku":"b"}, 7],"a.b":1,"empty":{},"deep":{"x":{"label":2.50,"y":[[{"label":3}]]}}}`},
		"name.de":       {`{"name":{"de":"Socke"}}`, ""},
		"*.en":          {`{"name":{"en":"Sock"}}`, ""},
		"variants.sku":  {`{"variants":[{"sku":"a"},{"sku":"b"}]}`, ""},
		`a\.b`:          {`{"a.b":1}`, ""},
		"**.label":      {`{"variants":[{"label":"A"}],"deep":{"x":{"label":2.50,"y":[[{"label":3}]]}}}`, ""},
		"deep.**.label": {`{"deep":{"x":{"label":2.50,"y":[[{"label":3}]]}}}`, ""},
		"deep.*.label":  {`{"deep":{"x":{"label":2.50}}}`, ""},
		"empty":         {`{"empty":{}}`, ""},
		"empty.x":       {`{}`, ""},
		"id,name.en":    {`{"id":"p","name":{"en":"Sock"}}`, ""},
		"**":            {strings.ReplaceAll(sock, ": ", ":"), `{}`},
		"none":          {`{}`, strings.ReplaceAll(sock, ": ", ":")},
	} {
		list := strings.Split(paths, ",")
		got := bodies(t, func(s reindex.Source) (reindex.Source, error) { return source.Select(s, list...) }, sock)[0]
		if !jsonEqual(got[2:], want.selected) {
			t.Errorf("Select %s: got %s, want %s", paths, got, want.selected)
		}
		got = bodies(t, func(s reindex.Source) (reindex.Source, error) { return source.Exclude(s, list...) }, sock)[0]
		if want.excluded != "" && !jsonEqual(got[2:], want.excluded) {
			t.Errorf("Exclude %s: got %s, want %s", paths, got, want.excluded)
		}
	}
	// Numbers and the order of members do not change.
	got := bodies(t, func(s reindex.Source) (reindex.Source, error) { return source.Exclude(s, "x") },
		`{"b":1.50,"x":1,"a":9007199254740993}`)[0]
	if got != `p {"b":1.50,"a":9007199254740993}` {
		t.Error(got)
	}
	// The engine must see the bad body to reject it.
	for _, body := range []string{``, `{"x":1`, `[{"x":1}]`, `"x"`, `null`} {
		got := bodies(t, func(s reindex.Source) (reindex.Source, error) { return source.Exclude(s, "x") }, body)[0]
		if got != "p "+body {
			t.Errorf("%s became %s, want it unchanged", body, got)
		}
	}
}

func jsonEqual(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{
		"": "a segment is empty", "a.": "a segment is empty", ".a": "a segment is empty", "a..b": "a segment is empty",
		"a*": "whole segment", "*a": "whole segment", "***": "whole segment", `a\`: "ends with a backslash",
	} {
		if _, err := source.Select(nil, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", path, err, want)
		}
	}
	if _, err := source.Exclude(nil); err == nil {
		t.Error("no path at all is accepted")
	}
	for _, path := range []string{`\*`, `a\.b`, `a\\`, "**.**", "*.*"} {
		if _, err := source.Select(nil, path); err != nil {
			t.Errorf("%q: got error %v, want none", path, err)
		}
	}
}

// FuzzSelect compares Select and Exclude with a simple walk over the decoded product.
func FuzzSelect(f *testing.F) {
	for _, path := range []string{
		"id", "**", "*", "**.label", "name.*", "variants.sku", "deep.**", `a\.b`, "**.x.**.label", "*.*.*", "**.*",
	} {
		f.Add(path, sock)
	}
	f.Add("a.b", `{"a":[[{"b":1}],{"b":{}},[]],"\u0061":{"b":null}}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		if !json.Valid([]byte(body)) || !utf8.ValidString(body) || strings.Contains(path, `\`) {
			return
		}
		var v map[string]any
		if json.Unmarshal([]byte(body), &v) != nil || v == nil || hasTwice(body) {
			return
		}
		if _, err := source.Select(nil, path); err != nil {
			return
		}
		pattern := strings.Split(path, ".")
		for _, keep := range []bool{true, false} {
			wrap := func(s reindex.Source) (reindex.Source, error) { return source.Exclude(s, path) }
			if keep {
				wrap = func(s reindex.Source) (reindex.Source, error) { return source.Select(s, path) }
			}
			got := bodies(t, wrap, body)[0][2:]
			kept, _ := walk(v, nil, pattern, keep)
			want, err := json.Marshal(kept)
			if err != nil {
				t.Fatal(err)
			}
			if !jsonEqual(got, string(want)) {
				t.Fatalf("keep %v, %q of %s: got %s, want %s", keep, path, body, got, want)
			}
		}
	})
}

// hasTwice reports whether an object in the text has a member twice. A decoded object has only the last one.
func hasTwice(text string) bool {
	var v any
	_ = json.Unmarshal([]byte(text), &v)
	return countMembers(v) != strings.Count(stripStrings(text), ":")
}

func countMembers(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += 1 + countMembers(e)
		}
	case []any:
		for _, e := range v {
			n += countMembers(e)
		}
	}
	return n
}

func stripStrings(text string) string {
	var b strings.Builder
	in := false
	for i := 0; i < len(text); i++ {
		switch {
		case in && text[i] == '\\':
			i++
		case text[i] == '"':
			in = !in
		case !in:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// walk returns the parts of v that are kept, and reports whether anything in v matched.
func walk(v any, at, pattern []string, keep bool) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		out, found := map[string]any{}, false
		for name, value := range v {
			path := slices.Concat(at, []string{name})
			if matches(path, pattern) {
				found = true
				if keep {
					out[name] = value
				}
				continue
			}
			below, matched := walk(value, path, pattern, keep)
			found = found || matched
			if !keep || matched {
				out[name] = below
			}
		}
		return out, found
	case []any:
		out, found := []any{}, false
		for _, value := range v {
			below, matched := walk(value, at, pattern, keep)
			found = found || matched
			if !keep || matched {
				out = append(out, below)
			}
		}
		return out, found
	}
	return v, false
}

func matches(path, pattern []string) bool {
	switch {
	case len(pattern) == 0:
		return len(path) == 0
	case pattern[0] == "**":
		return matches(path, pattern[1:]) || len(path) > 0 && matches(path[1:], pattern)
	case len(path) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == path[0]) && matches(path[1:], pattern[1:])
}
