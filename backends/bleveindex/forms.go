package bleveindex

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/numeric"

	"productindex/backends/bleveindex/analyzers"
)

// formsName is the field below which the keyword forms of all fields are: that of attributes.color is
// _keyword.attributes.color.
const formsName = "_keyword"

const (
	// maxForm is how long a value is at most, in bytes, that has a keyword form.
	maxForm = 256

	separator = "\x00"
)

// A keyword form is one term for a value: what it is compared by, a zero byte, and how it is written. Numbers and
// dates, in bleve's code, come before all texts, in their order. How a value is written is a code: nothing, which is as
// it is compared, in capitals here and there, or in some other way.
const (
	capitals = "\x01" // then seven bits a byte, one for each byte of the key that is a capital
	other    = "\x02" // then the value
)

// textForm is the keyword form of a text; empty: it has none.
func textForm(value string) string {
	if len(value) > maxForm || analyzers.IsUUID(value) {
		return ""
	}
	value = strings.TrimSpace(value)
	key := strings.ReplaceAll(analyzers.Fold(value), separator, " ")
	if key == "" {
		return ""
	}
	return key + separator + written(value, key)
}

// written returns the code for how a value is written.
func written(value, key string) string {
	if value == key {
		return ""
	}
	if len(value) != len(key) {
		return other + value
	}
	bits := make([]byte, 0, len(key)/7+2)
	bits = append(bits, capitals...)
	for i := range len(key) {
		if i%7 == 0 {
			bits = append(bits, 0)
		}
		switch {
		case value[i] == key[i]:
		case value[i] >= 'A' && value[i] <= 'Z' && value[i]|0x20 == key[i]:
			bits[len(bits)-1] |= 1 << (i % 7)
		default:
			return other + value
		}
	}
	return string(bytes.TrimRight(bits, "\x00"))
}

// numberForm is the keyword form of a number.
func numberForm(n float64, literal string) string {
	if strconv.FormatFloat(n, 'f', -1, 64) == literal {
		return numberKey(n) + separator
	}
	return numberKey(n) + separator + other + literal
}

// dateForm is the keyword form of a date.
func dateForm(t time.Time, literal string) string { return dateKey(t) + separator + other + literal }

func dateKey(t time.Time) string { return orderedKey(t.UnixNano()) }

// numberKey is what a number is compared by.
func numberKey(n float64) string {
	if n == 0 {
		n = 0 // without a sign
	}
	return orderedKey(numeric.Float64ToInt64(n))
}

func orderedKey(n int64) string {
	return string(numeric.MustNewPrefixCodedInt64(n, 0))
}

// keySize is the length of a number's or a date's key.
var keySize = len(orderedKey(0))

// isOrdered reports whether a keyword form is that of a number or a date.
func isOrdered(form string) bool {
	return len(form) > keySize && form[0] == numeric.ShiftStartInt64 && form[keySize] == separator[0]
}

// splitForm returns the parts of a keyword form: what it is compared by, and the value as it is written.
func splitForm(form string) (key, value string) {
	at := strings.IndexByte(form, separator[0])
	if isOrdered(form) {
		at = keySize // which can have zero bytes itself
	}
	if at < 0 {
		return form, form
	}
	key, code := form[:at], form[at+1:]
	switch {
	case strings.HasPrefix(code, other):
		return key, code[len(other):]
	case strings.HasPrefix(code, capitals):
		return key, capitalized(key, code[len(capitals):])
	case isOrdered(form):
		if n, err := numeric.PrefixCoded(key).Int64(); err == nil {
			return key, strconv.FormatFloat(numeric.Int64ToFloat64(n), 'f', -1, 64)
		}
	}
	return key, key
}

func capitalized(key, bits string) string {
	value := []byte(key)
	for i := range value {
		if i/7 < len(bits) && bits[i/7]&(1<<(i%7)) != 0 {
			value[i] &^= 0x20
		}
	}
	return string(value)
}
