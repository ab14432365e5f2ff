// Package jsonenc encodes scalars as JSON by appending to a buffer.
package jsonenc

import (
	"encoding/json"
	"math"
	"strconv"
)

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string. Only what JSON demands is escaped. Bytes that are not valid UTF-8 stay as
// they are, so that whoever checks the result sees them, instead of a silent replacement.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
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

// AppendFloat appends f, which came from a float of that many bits (32 or 64), as the shortest JSON number that reads
// back as the same value. JSON has no number for NaN and the infinities: they become null.
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
	return last >= '0' && last <= '9' && json.Valid([]byte(s)) // begins and ends like a number: neither space nor another value
}
