package meilitest

import (
	"encoding/json"
	"testing"
)

// FuzzRead reads bodies as the server does: what it accepts is JSON, and what it cannot read is an error, not a panic.
func FuzzRead(f *testing.F) {
	for _, body := range []string{
		`[{"id":1}]`, `{"a":[1,{"b":null}],"c":"\ud83e\udde6"}`, `[{"v":1e999}]`, `{"a":"\ud800"}`, "{}\n{\"a\":-0.5e-3}\n",
		`[1,2]`, `{"a":tru`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) ([]rawDocument, error){readJSON, readNDJSON} {
			documents, err := read(body)
			if err != nil {
				continue
			}
			for _, d := range documents {
				if !json.Valid(d.text) {
					t.Errorf("%q is accepted", d.text)
				}
				for _, field := range d.fields {
					if v, err := parseValue(field.text); err == nil && !json.Valid(encode(v)) {
						t.Errorf("%q is written as %q", field.text, encode(v))
					}
				}
			}
		}
	})
}
