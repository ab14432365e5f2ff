package jsonenc_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"productindex/source/internal/jsonenc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{
		"", "plain", "quote \" slash \\ /", "\n\r\t\x00\x1f\x7f", "größe ก 👟", "\u2028", "bad \xff\xc3",
		"1234567\x1f!\x20\x1f\x7f\x80\"#\"\"[\\]\\\x9c\xa2\xdc",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := jsonenc.AppendString([]byte("x"), s)
		if fromBytes := jsonenc.AppendString([]byte("x"), []byte(s)); string(fromBytes) != string(got) {
			t.Fatalf("as bytes %q, as a string %q, want the same", fromBytes, got)
		}
		if want := escaped(s); string(got[1:]) != want {
			t.Fatalf("%q became %s, want %s", s, got[1:], want)
		}
		if !utf8.ValidString(s) {
			if utf8.Valid(got) {
				t.Fatalf("%q became %q, want invalid UTF-8 to stay", s, got)
			}
			return
		}
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil || back != s {
			t.Fatalf("%q became %s, which reads as %q, error %v, want the same text", s, got[1:], back, err)
		}
	})
}

// escaped escapes s byte by byte.
func escaped(s string) string {
	out := []byte{'"'}
	for _, c := range []byte(s) {
		if short := strings.IndexByte("\"\\\n\r\t", c); short >= 0 {
			out = append(out, '\\', "\"\\nrt"[short])
		} else if c < ' ' {
			out = fmt.Appendf(out, "\\u%04x", c)
		} else {
			out = append(out, c)
		}
	}
	return string(append(out, '"'))
}

func FuzzAppendFloat(f *testing.F) {
	for _, v := range []float64{
		0, math.Copysign(0, -1), 0.1, 1e21, 1e-7, 123456789, math.MaxFloat64, 5e-324, math.Inf(1), math.NaN(),
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		got := string(jsonenc.AppendFloat(nil, v, 64))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			if got != "null" {
				t.Fatalf("%v became %s, want null", v, got)
			}
			return
		}
		var back float64
		if err := json.Unmarshal([]byte(got), &back); err != nil || back != v {
			t.Fatalf("%v became %s, which reads as %v, error %v, want the same number", v, got, back, err)
		}
		if !jsonenc.IsNumber(got) {
			t.Fatalf("IsNumber(%s) is false, want true", got)
		}
	})
}

func TestAppendFloat32(t *testing.T) {
	if got := string(jsonenc.AppendFloat(nil, float64(float32(0.1)), 32)); got != "0.1" {
		t.Fatalf("got %s, want 0.1", got)
	}
}

func TestIsNumber(t *testing.T) {
	for s, want := range map[string]bool{
		"0": true, "-1": true, "19.90": true, "1e5": true, "12345678901234567890.123": true,
		"": false, "-": false, "+1": false, "01": false, "1.": false, ".5": false, "1 ": false, " 1": false, "0x1": false,
		"1,000": false, "NaN": false, "Infinity": false, "1e": false, "[1]": false, "true": false, "1\n": false,
	} {
		if got := jsonenc.IsNumber(s); got != want {
			t.Errorf("IsNumber(%q) is %v, want %v", s, got, want)
		}
	}
}
