package reindex

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

var bodies = []struct {
	name, body, err string // err is a part of the error's text, and empty if the body is accepted
}{
	{"empty object", `{}`, ""},
	{"every kind of value", `{"a":"x","b":1,"c":-0.5e+10,"d":true,"e":false,"f":null,"g":[1,[],{}],"h":{"i":{}}}`, ""},
	{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e4\uD83D\ude00"}`, ""},
	{"space everywhere", " {\t\"a\" : [ 1 , 2 ] , \"b\" : { } } ", ""},
	{"several lines", "{\n  \"a\": 1,\r\n  \"b\": \"x y\"\n}", ""},
	{"non-ASCII", `{"größe":"Ärmel","日本":"語"}`, ""},
	{"long string", `{"a":"` + strings.Repeat("x", 1000) + `"}`, ""},
	{"nesting at the limit", `{"a":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`, ""},

	{"nothing", ``, "ends after byte 0"},
	{"array", `[1]`, "not a JSON object"},
	{"string", `"x"`, "not a JSON object"},
	{"null", `null`, "not a JSON object"},
	{"word", `nul`, "expected a JSON object"},
	{"open object", `{"a":1`, "ends after byte 6"},
	{"trailing comma", `{"a":1,}`, "expected a field name"},
	{"trailing comma in an array", `{"a":[1,]}`, "expected a value"},
	{"missing colon", `{"a" 1}`, "expected a colon"},
	{"two objects", `{}{}`, "nothing after the object"},
	{"single quotes", `{'a':1}`, "expected a field name"},
	{"leading zero", `{"a":01}`, "expected a comma"},
	{"lone minus", `{"a":-}`, "expected a digit"},
	{"lone point", `{"a":1.}`, "expected a digit"},
	{"lone exponent", `{"a":1e}`, "expected a digit"},
	{"NaN", `{"a":NaN}`, "expected a value"},
	{"wrong word", `{"a":trux}`, "the word true"},
	{"raw line feed in a string", "{\"a\":\"x\ny\"}", "no control character"},
	{"raw NUL in a string", "{\"a\":\"01234567\x00\"}", "no control character"},
	{"wrong escape", `{"a":"\x"}`, "an escape sequence"},
	{"short escape", `{"a":"\u12g4"}`, "four hexadecimal digits"},
	{"open string", `{"a":"x`, "a closing quote"},
	{"invalid UTF-8", "{\"a\":\"\xff\"}", "not valid UTF-8"},
	{"invalid UTF-8 after a name", "{\"a\":1,\xff}", "not valid UTF-8"},
	{"invalid UTF-8 at the end of a long string", "{\"a\":\"0123456789abcdef\xff\"}", "not valid UTF-8"},
	{"invalid UTF-8 in a field name", "{\"a\xc3\":1}", "not valid UTF-8"},
	{"a character outside of a string", `{"a":ä}`, `"ä" at byte 6`},
	{"a byte's place", `{"a":1,}`, `"}" at byte 8`},
	{"an open object", `{"a":1`, "a comma or }"},
	{"an open list", `{"a":[1}`, "a comma or ]"},
	{
		"nesting over the limit", `{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`,
		"10,000 levels",
	},
}

func TestCheckBody(t *testing.T) {
	for _, test := range bodies {
		t.Run(test.name, func(t *testing.T) {
			got, err := checkBody(json.RawMessage(test.body))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			assertSameLine(t, []byte(test.body), got)
		})
	}
}

// assertSameLine checks that got is one line with the same JSON value as body.
func assertSameLine(t *testing.T, body, got []byte) {
	t.Helper()
	if bytes.ContainsAny(got, "\r\n") {
		t.Fatalf("%q has several lines", got)
	}
	var want, have bytes.Buffer
	if err := json.Compact(&want, body); err != nil {
		t.Fatalf("%q was accepted, but encoding/json refuses it: %v", body, err)
	}
	if err := json.Compact(&have, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), have.Bytes()) {
		t.Fatalf("%q became %q, want the same JSON value", body, got)
	}
}

func FuzzCheckBody(f *testing.F) {
	for _, test := range bodies {
		if len(test.body) < 1000 {
			f.Add([]byte(test.body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := checkBody(body)
		object := bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
		if want := json.Valid(body) && utf8.Valid(body) && object; want != (err == nil) {
			t.Fatalf("%q: got error %v, want it accepted: %v", body, err, want)
		}
		if err == nil {
			assertSameLine(t, body, got)
		}
	})
}

func BenchmarkCheckBody(b *testing.B) {
	body := json.RawMessage(`{"id":"4711","name":"` + strings.Repeat("Wool sweater, grey ", 10) +
		`","price":129.99,"tags":["a","b","c"],` +
		`"attributes":{"color":"grey","size":"XL","weight":1250,"washable":true},"description":"` +
		strings.Repeat("Soft and warm. ", 40) + `"}`)
	for _, check := range []struct {
		name string
		fn   func() bool
	}{
		{"checkBody", func() bool { _, err := checkBody(body); return err == nil }},
		{"json.Valid", func() bool { return json.Valid(body) }},
	} {
		b.Run(check.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if !check.fn() {
					b.Fatal("invalid")
				}
			}
		})
	}
}
