package bleveindex

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// numberIn returns the number that a string such as "49.99" represents. Codes such as "007", or with many digits, are
// not numbers.
func numberIn(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 24 || s[len(s)-1] < '0' || s[len(s)-1] > '9' {
		return 0, false
	}
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if !allDigits(whole) || fraction != "" && !allDigits(fraction) || len(whole) > 1 && whole[0] == '0' ||
		len(whole)+len(fraction) > 17 {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && (fraction != "" || isExact(s, n))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// priceIn returns the amount that a string represents, which may have a currency, separators between thousands and a
// decimal comma. "1,299" is ambiguous and not an amount.
func priceIn(s string) (float64, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return !unicode.IsDigit(r) && r != '-' })
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\'' || r == '\u2019' {
			return -1
		}
		return r
	}, s)
	dot, comma := strings.LastIndexByte(s, '.'), strings.LastIndexByte(s, ',')
	if comma < 0 {
		if strings.Count(s, ".") > 1 { // 1.299.000
			return grouped(s, ".", "")
		}
		return numberIn(s)
	}
	if dot > comma { // 1,299.00
		return grouped(s[:dot], ",", s[dot+1:])
	}
	if dot < 0 && len(s)-comma-1 == 3 && strings.Count(s, ",") == 1 {
		return 0, false
	}
	if strings.Count(s, ",") > 1 { // 1,299,000
		return grouped(s, ",", "")
	}
	return grouped(s[:comma], ".", s[comma+1:])
}

// grouped returns the number whose digits before the point are in groups of three.
func grouped(whole, separator, fraction string) (float64, bool) {
	groups := strings.Split(whole, separator)
	for _, group := range groups[1:] {
		if len(group) != 3 {
			return 0, false
		}
	}
	whole = strings.Join(groups, "")
	if fraction != "" {
		whole += "." + fraction
	}
	return numberIn(whole)
}

// isExact reports whether a float64 holds all digits of a number.
func isExact(literal string, n float64) bool {
	if strings.ContainsAny(literal, ".eE") || math.Abs(n) < 1<<53 {
		return true
	}
	return strconv.FormatFloat(n, 'f', -1, 64) == literal
}

// number returns the value of a number in decoded JSON, and its literal.
func number(value any) (n float64, literal string, err error) {
	switch value := value.(type) {
	case json.Number:
		n, err = strconv.ParseFloat(string(value), 64)
		return n, string(value), err
	case float64:
		return value, strconv.FormatFloat(value, 'f', -1, 64), nil
	}
	return 0, "", strconv.ErrSyntax
}

// layouts are the layouts of dates in strings: RFC 3339 timestamps, and days.
var layouts = []string{time.RFC3339, time.DateOnly}

// earliest and latest are the bounds of the dates that bleve can represent.
var earliest, latest = time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)

// dateIn returns the date that a string represents, and its layout.
func dateIn(s string) (time.Time, string, bool) {
	if len(s) < len(time.DateOnly) || len(s) > 40 || s[0] < '0' || s[0] > '9' || s[4] != '-' {
		return time.Time{}, "", false
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, layout, !t.Before(earliest) && !t.After(latest)
		}
	}
	return time.Time{}, "", false
}
