package jsonl

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestFindID(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"id":"a"}`:             "a",
		` { "id" : "a" , "x":1}`: "a",
		`{"x":{"id":"no"},"y":["id",{"id":1}],"id":"a"}`: "a",
		`{"x":"\"id\":\"no\"","id":"a"}`:                 "a",
		`{"x":"}]\\","id":"a"}`:                          "a",
		`{"x":-1.5e3,"y":null,"z":true,"id":"a"}`:        "a",
		`{"id":"first","id":"second"}`:                   "first",
		`{"\u0069d":"a"}`:                                "a",
		`{"i\/d":"no","id":"a"}`:                         "a",
		`{"id":"a\"\\\/\b\f\n\r\tü\u00fc\ud83d\ude00"}`:  "a\"\\/\b\f\n\r\tüü😀",
		`{"id":42}`:                      "42",
		`{"id":-7 ,"x":1}`:               "-7",
		`{"id":0}`:                       "0",
		`{"id":12345678901234567890123}`: "12345678901234567890123",
		`{"id":"a","cut off`:             "a",
	} {
		if got, err := findID([]byte(line), "id"); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", line, got, err, want)
		}
	}
}

func TestFindIDFails(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		``:                          "not a JSON object; it begins with nothing",
		`["id"]`:                    "not a JSON object; it begins with '['",
		`"id"`:                      "not a JSON object",
		`null`:                      "not a JSON object",
		`{}`:                        `no member "id"`,
		`{"ID":"a","x":{"id":"a"}}`: `no member "id"`,
		`{"id":""}`:                 "empty string",
		`{"id":null}`:               "must be a string or an integer; it is null",
		`{"id":["a"]}`:              "must be a string or an integer; it is an array",
		`{"id":{"a":1}}`:            "must be a string or an integer; it is an object",
		`{"id":1.5}`:                "must be a string or an integer; it is a number with a fraction or an exponent",
		`{"id":1.0}`:                "must be a string or an integer; it is a number with a fraction or an exponent",
		`{"id":1e3}`:                "must be a string or an integer; it is a number with a fraction or an exponent",
		`{"id":007}`:                "must be a string or an integer; it is not a JSON value, but begins with '0'",
		`{"id":true}`:               "must be a string or an integer; it is true",
		"{\"id\":“a”}":              "but begins with '“'",
		"“a”":                       "it begins with '“'",
		"\x93":                      "it begins with the byte 0x93, which is not UTF-8",
		"{\ufeff}":                  "because of a byte order mark at byte 2",
		`{"id":-}`:                  "must be a string or an integer",
		"{\"id\":\"a\xff\"}":        "not valid UTF-8",
		`{"id":"\ud83d"}`:           "bad escape sequence",
		`{"id":"\ude00\ud83d"}`:     "bad escape sequence",
		`{"id":"\ud83dxxxxxx"}`:     "bad escape sequence",
		`{"id":"a\x"}`:              "bad escape sequence at byte 2",
		`{"id":"\u12`:               "ends in the middle",
		`{"id":"\u12"}`:             "bad escape sequence",
		`{"id":"\u+123"}`:           "bad escape sequence",
		`{"id":"a`:                  "ends in the middle",
		`{"id":`:                    "ends in the middle",
		`{"x":`:                     "ends in the middle",
		`{"x":"y`:                   "ends in the middle",
		`{"x":{"y":"z`:              "ends in the middle",
		`{"x":[1,2`:                 "ends in the middle",
		`{"x":1`:                    "ends in the middle",
		`{"x`:                       "ends in the middle",
		`{"x"`:                      "ends in the middle",
		`{`:                         "ends in the middle",
		`{"x":1,}`:                  "not valid JSON, because of '}' at byte 8",
		`{"x" 1}`:                   "not valid JSON, because of '1' at byte 6",
		`{x:1}`:                     "not valid JSON, because of 'x' at byte 2",
		`{"x":1 "id":"a"}`:          "not valid JSON",
	} {
		got, err := findID([]byte(line), "id")
		if !errors.Is(err, ErrNoID) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v, want an error with %q", line, got, err, want)
		}
	}
}

// A dot in the field separates the names of nested members. It may also be a part of a name.
func TestFindIDPath(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"_id":{"$oid":"a"},"x":1}`:                   "a",
		`{"x":{"_id":{"$oid":"no"}},"_id":{"$oid":7}}`: "7",
		`{"_id":{"x":{},"$oid":"a"}}`:                  "a",
		`{"_id":"no","_id.$oid":"a"}`:                  "a",
		`{"_id":{},"_id":{"y":1},"_id.$oid":"a"}`:      "a",
		`{"_id.$oid":"a","_id":{"$oid":"b"}}`:          "a",
		`{"\u005fid":{"\u0024oid":"a"}}`:               "a",
		`{"_id":["$oid"],"_id":{"$oid":"a"}}`:          "a",
	} {
		if got, err := findID([]byte(line), "_id.$oid"); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", line, got, err, want)
		}
	}
	if got, err := findID([]byte(`{"a":{"b.c":{"d":1}}}`), "a.b.c.d"); err != nil || got != "1" {
		t.Errorf("got %q, error %v, want 1", got, err)
	}
	for _, line := range []string{
		`{"_id":{"oid":1}}`, `{"_id":{}}`, `{"_id":1}`, `{}`, `{"_id":{"$oid":{}}}`, `{"_id":{"$oid":`, `{"_id":{"x":1`,
		`{"_id":{"x" 1}}`, `{"_id":`,
	} {
		if got, err := findID([]byte(line), "_id.$oid"); !errors.Is(err, ErrNoID) {
			t.Errorf("%s: got %q, error %v, want ErrNoID", line, got, err)
		}
	}
}

// FuzzFindID compares findID with encoding/json.
func FuzzFindID(f *testing.F) {
	for _, line := range []string{
		`{"id":"a"}`, `{"x":{"id":"no"},"y":["id",{"id":1}],"id":42}`, `{"\u0069d":"\ud83d\ude00"}`, `{"x":"}]\\\"","id":-0}`,
		`{"id":"\ud83d"}`, `{"id":1.0}`, `{"a":1,"id":null}`, `[{"id":"a"}]`, `{}`, ` {"x" : [] , "id" : "b" } `, `{"id`,
		"{\"\xff\":1,\"id\":\"\xff\"}",
	} {
		f.Add([]byte(line), "id")
	}
	f.Fuzz(func(t *testing.T, line []byte, field string) {
		got, err := findID(line, field)
		if !json.Valid(line) || strings.Contains(field, ".") {
			return // it must not panic; the engine refuses the line
		}
		want, known := oracle(t, line, field)
		switch {
		case !known && err == nil:
			t.Errorf("%s: got %q, want an error", line, got)
		case known && strings.Contains(want, "\ufffd"):
			// encoding/json replaces text that is not valid UTF-8. findID must not.
			if err == nil && got != want {
				t.Errorf("%s: got %q, want %q", line, got, want)
			}
		case known && (err != nil || got != want):
			t.Errorf("%s: got %q, %v, want %q", line, got, err, want)
		}
	})
}

// oracle returns the first member called field of a valid JSON object, and reports whether it can be an id.
func oracle(t *testing.T, line []byte, field string) (id string, known bool) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return "", false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Skip("nested too deeply for encoding/json")
		}
		if key != field {
			continue
		}
		var s string
		if json.Unmarshal(value, &s) == nil && value[0] == '"' {
			return s, s != ""
		}
		return string(value), strings.Trim(string(value), "-0123456789") == ""
	}
	return "", false
}
