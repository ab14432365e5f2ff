package rawjson_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"productindex/source/internal/rawjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// FuzzWalk checks that members and elements are those that encoding/json decodes, and that text that is not JSON does
// not panic.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `{"a":1}`, ` { "a" : [ 1 , {"b":"}]\""} ] , "\u0062" : null } `, `[1,"x",[],{}, true ]`,
		`{"a":1,"a":2}`, `"s"`, `12`,
		``, `{`, `[`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `[1,`, `{"\`, `[[`, `{,}`, `[,]`, `]`, `{"a" }`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		members := map[string]json.RawMessage{}
		for name, value := range rawjson.Members(text) {
			members[rawjson.Text(name)] = value
		}
		var elements []json.RawMessage
		for value := range rawjson.Elements(text) {
			elements = append(elements, value)
		}
		if !json.Valid(text) || !utf8.Valid(text) { // encoding/json replaces bytes that are not UTF-8
			return
		}
		var wantMembers map[string]json.RawMessage
		if json.Unmarshal(text, &wantMembers) == nil {
			if len(members) != len(wantMembers) {
				t.Fatalf("got %d members, want %d", len(members), len(wantMembers))
			}
			for name, want := range wantMembers {
				if !bytes.Equal(members[name], want) || !bytes.Equal(rawjson.Get(text, name), want) {
					t.Fatalf("member %q is %s, want %s", name, members[name], want)
				}
			}
		}
		var wantElements []json.RawMessage
		if json.Unmarshal(text, &wantElements) == nil {
			if len(elements) != len(wantElements) {
				t.Fatalf("got %d elements, want %d", len(elements), len(wantElements))
			}
			for i, want := range wantElements {
				if !bytes.Equal(elements[i], want) {
					t.Fatalf("element %d is %s, want %s", i, elements[i], want)
				}
			}
		}
	})
}
