package meilitest

import (
	"encoding/json"
	"testing"
)

// Every document that is accepted is valid JSON, and so is each value that is written again. No body causes a panic.
func FuzzRead(f *testing.F) {
	for _, body := range []string{
		`[{"id":1}]`, `{"a":[1,{"b":null}],"c":"\ud83e\udde6"}`, `[{"v":1e999}]`, `{"a":"\ud800"}`,
		"{}\n{\"a\":-0.5e-3}\n", `[1,2]`, `{"a":tru`,
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
					t.Errorf("the document %q is accepted, but not valid JSON", d.text)
				}
				for _, field := range d.fields {
					if v, err := parseValue(field.text); err == nil && !json.Valid(encode(v)) {
						t.Errorf("the value %q is written as %q, which is not valid JSON", field.text, encode(v))
					}
				}
			}
		}
	})
}
