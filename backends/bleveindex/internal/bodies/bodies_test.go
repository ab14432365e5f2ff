package bodies

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func product(i int) []byte {
	return fmt.Appendf(
		nil,
		`{"id":"%d","name":"Wool sock No. %d","brand":"Acme","attributes":[{"name":"color","value":"burgundy"}],`+
			`"price":%d.99}`,
		i,
		i*i,
		i%50,
	)
}

func learn(t testing.TB, n int) *Codec {
	t.Helper()
	c, err := Learn(n, product)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A Codec decodes each body that another Codec with the same dictionary has encoded. Bodies similar to the samples
// become small.
func TestRoundTrip(t *testing.T) {
	c := learn(t, 1000)
	again, err := New(c.Dictionary())
	if err != nil {
		t.Fatal(err)
	}
	size, stored := 0, 0
	for i := range 5000 {
		body := product(i)
		encoded := c.Encode(body)
		size, stored = size+len(body), stored+len(encoded)
		if got, err := again.Decode(encoded); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("decoded: %s, error %v, want %s", got, err, body)
		}
	}
	if stored*3 > size {
		t.Errorf("%d bytes of bodies are stored in %d bytes, want at most a third", size, stored)
	}
	noise := make([]byte, 1000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	for _, body := range [][]byte{
		{}, []byte("{}"), []byte(`{"a":"` + strings.Repeat("x", 5<<20) + `"}`), fmt.Appendf(nil, `{"a":"%x"}`, noise),
	} {
		encoded := c.Encode(body)
		if got, err := again.Decode(encoded); err != nil || !bytes.Equal(got, body) || len(encoded) > len(body) {
			t.Errorf("%d bytes %.20s are encoded in %d bytes and decoded as %.20s, error %v, want the same and no more bytes",
				len(body), body, len(encoded), got, err)
		}
	}
}

// Two bodies are too few for a dictionary and are stored uncompressed. Uncompressed bodies are decoded with and without
// a dictionary.
func TestPlain(t *testing.T) {
	none := learn(t, 2)
	if none != nil || none.Dictionary() != nil {
		t.Errorf("two bodies make the dictionary %q, want none", none.Dictionary())
	}
	body := product(1)
	for _, c := range []*Codec{none, learn(t, 1000)} {
		if got, err := c.Decode(none.Encode(body)); err != nil || !bytes.Equal(got, body) {
			t.Errorf("decoded: %s, error %v, want %s", got, err, body)
		}
	}
	if _, err := none.Decode(learn(t, 1000).Encode(body)); err == nil {
		t.Error("a compressed body is decoded without its dictionary, want an error")
	}
}

// A dictionary has bodies of the whole catalogue, and stays within its limits.
func TestDictionary(t *testing.T) {
	for _, n := range []int{9, 40, 500, 100_000} {
		c := learn(t, n)
		if size := len(c.Dictionary()); size > dictionarySize || size < minSize {
			t.Errorf("the dictionary of %d bodies has %d bytes, want %d to %d", n, size, minSize, dictionarySize)
		}
	}
	if c := learn(t, 3000); !bytes.Contains(c.Dictionary(), []byte(`"id":"2`)) {
		t.Error("none of the last of 3000 bodies is in the dictionary")
	}
	long, err := Learn(3, func(i int) []byte { return bytes.Repeat(product(i), 1000) })
	if err != nil || !bytes.Contains(long.Dictionary(), []byte("No. 4")) {
		t.Errorf("the last of three long bodies is not in the dictionary, error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	c := learn(f, 1000)
	f.Add(c.Encode(product(7)), []byte(`{"id":"7"}`))
	f.Fuzz(func(t *testing.T, stored, body []byte) {
		if _, err := c.Decode(stored); err == nil && bytes.HasPrefix(stored, frame) && len(stored) < 6 {
			t.Errorf("%x is decoded, want an error", stored)
		}
		if bytes.HasPrefix(body, frame) {
			return // not JSON
		}
		if got, err := c.Decode(c.Encode(body)); err != nil || !bytes.Equal(got, body) {
			t.Errorf("decoded: %q, error %v, want %q", got, err, body)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	c := learn(b, 1000)
	body := product(7)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Encode(body)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		encoded := c.Encode(body)
		for b.Loop() {
			if _, err := c.Decode(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}
