// Package jsonenc encodes scalars as JSON by appending to a buffer.
package jsonenc

import (
	"encoding/json"
	"math"
	"math/bits"
	"strconv"
)

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string. It escapes only the characters that JSON requires to be escaped. It does not
// change bytes that are not valid UTF-8, so that a check of the result finds them.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := special(s, 0); i < len(s); i = special(s, i+1) {
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// special returns the index of the first byte of s at or after i that JSON requires to be escaped, or len(s).
func special[T ~string | ~[]byte](s T, i int) int {
	const (
		each = 0x0101010101010101 // times a byte, it repeats the byte eight times
		high = 0x80 * each
	)
	for ; len(s)-i >= 8; i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, slash := w^'"'*each, w^'\\'*each
		// found has the high bit of each byte that is a control character, a quote or a backslash. Bytes after the first of
		// these may also have it.
		if found := ((w-' '*each)&^w | (quote-each)&^quote | (slash-each)&^slash) & high; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// AppendFloat appends f, a float of 32 or 64 bits, as the shortest JSON number that reads back as the same value. NaN
// and the infinities, for which JSON has no numbers, become null.
func AppendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// IsNumber reports whether s is a JSON number (RFC 8259, section 6) and nothing else.
func IsNumber[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	last := s[len(s)-1]
	return last >= '0' && last <= '9' &&
		json.Valid([]byte(s)) // valid JSON that begins and ends like a number is a number
}
