package bleveindex

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/numeric"

	"productindex/backends/bleveindex/analyzers"
)

// formsName is the prefix of the fields with keyword forms: _keyword.attributes.color has those of attributes.color.
const formsName = "_keyword"

const (
	// maxForm is the length of the longest value that has a keyword form, in bytes.
	maxForm = 256

	separator = "\x00"
)

// A keyword form is a term that represents a value. It consists of the key by which the value is compared, a zero byte,
// and a code for the spelling of the value. The keys of numbers and dates are bleve's encoding, which sorts before all
// texts. The code is empty if the spelling is the key; otherwise it is one of these, followed by more bytes:
const (
	capitals = "\x01" // then one bit for each byte of the key, set for a capital, seven bits per byte
	other    = "\x02" // then the value itself
)

// textForm returns the keyword form of a text, or "" if it has none.
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

// written returns the code for the spelling of a value.
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

// numberForm returns the keyword form of a number.
func numberForm(n float64, literal string) string {
	if strconv.FormatFloat(n, 'f', -1, 64) == literal {
		return numberKey(n) + separator
	}
	return numberKey(n) + separator + other + literal
}

// dateForm returns the keyword form of a date.
func dateForm(t time.Time, literal string) string { return dateKey(t) + separator + other + literal }

func dateKey(t time.Time) string { return orderedKey(t.UnixNano()) }

// numberKey returns the key of a number.
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

// isOrdered reports whether a keyword form represents a number or a date.
func isOrdered(form string) bool {
	return len(form) > keySize && form[0] == numeric.ShiftStartInt64 && form[keySize] == separator[0]
}

// A float64 cannot hold every integer of exactDigits or more digits.
const exactDigits = 16

// formKey returns the key that equal values share. For an integer that a float64 cannot hold it returns the digits,
// since the key in the form is that of another integer.
func formKey(form string) string {
	at := strings.IndexByte(form, separator[0])
	if isOrdered(form) {
		at = keySize // the key may contain zero bytes
		if digits, ok := strings.CutPrefix(form[at+1:], other); ok && len(digits) >= exactDigits &&
			strings.Trim(digits[1:], "0123456789") == "" {
			return digits
		}
	}
	if at < 0 {
		return form
	}
	return form[:at]
}

// splitForm returns the key of a keyword form, and the value as it is written.
func splitForm(form string) (key, value string) {
	at := strings.IndexByte(form, separator[0])
	if isOrdered(form) {
		at = keySize // the key may contain zero bytes
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
