package reindex

import (
	"encoding/json"
	"hash/maphash"
	"testing"
)

// FuzzHashBody checks that the hash of a body is the hash of the fields that encoding/json finds in it.
func FuzzHashBody(f *testing.F) {
	for _, body := range []string{
		`{}`, ` { } `, `{"a":1}`, ` { "a" : 1 , "b" : [ 1 , {"c":2} ] } `, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`,
		`{"\u0061":2}`, `{"a\"b":"}"}`, `{"größe":"L"}`, "{\"\xff\":1}", "{\"\xff\":1,\"\xfe\":2}", `{"a":"\ud800"}`,
		`{"":null}`, `{"a":1}}`, `{"a":1} x`, `{"a":}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `[1]`, `null`, ``, `{`, `{"a":01}`,
	} {
		f.Add([]byte(body))
	}
	h := hasher{seed: maphash.MakeSeed()}
	f.Fuzz(func(t *testing.T, body []byte) {
		p := Product{ID: "p", Body: body}
		got, gotErr := h.body(p)
		fields, err := h.fields(p)
		if want := h.sum(fields); (gotErr == nil) != (err == nil) || got != want {
			t.Errorf("got hash %d, error %v, want %d, the hash of the fields, error %v", got, gotErr, want, err)
		}
	})
}

// Bodies have the same hash if they have the same fields, in any order and with any white space between them.
func TestHashBody(t *testing.T) {
	h := hasher{seed: maphash.MakeSeed()}
	hash := func(body string) uint32 {
		t.Helper()
		sum, err := h.body(Product{ID: "p", Body: json.RawMessage(body)})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := hash(`{"a":1,"b":"two","c":{"d":3}}`)
	for _, same := range []string{
		`{"b":"two","c":{"d":3},"a":1}`, " {\n\"c\" : {\"d\":3} ,\t\"a\" : 1, \"b\" : \"two\" }\n",
		`{"\u0061":1,"b":"two","c":{"d":3}}`, `{"a":9,"a":1,"b":"two","c":{"d":3}}`,
	} {
		if hash(same) != first {
			t.Errorf("%s has another hash, want the same", same)
		}
	}
	for _, other := range []string{
		`{}`, `{"a":1,"b":"two"}`, `{"a":1,"b":"two","c":{"d":3},"e":null}`, `{"a":1,"b":"two","c":{"d":4}}`,
		`{"a":"two","b":1,"c":{"d":3}}`, `{"A":1,"b":"two","c":{"d":3}}`, `{"a":1.0,"b":"two","c":{"d":3}}`,
		`{"a":1,"b":"two","c":{"d": 3}}`,
	} {
		if hash(other) == first {
			t.Errorf("%s has the same hash, want another", other)
		}
	}
}

func BenchmarkHashBody(b *testing.B) {
	h := hasher{seed: maphash.MakeSeed()}
	p := Product{ID: "p1", Body: json.RawMessage(`{"brand":"brand 12","description":"A product for those who want ` +
		`number 12345, in colour 7 and size 3, with all that belongs to it.","name":"Product 12345","price":345.99}`)}
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.body(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.fields(p); err != nil {
				b.Fatal(err)
			}
		}
	})
}
