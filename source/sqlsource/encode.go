package sqlsource

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"productindex/source/internal/jsonenc"
)

// appendValue appends a value as JSON.
func appendValue(dst []byte, v any, c *column) ([]byte, error) {
	k := c.kind
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return appendText(dst, v, c), nil
	case []byte:
		switch {
		case k == kindBinary, k == kindSQLiteJSON && !json.Valid(v):
			return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v), '"'), nil
		case (k == kindBits || k == kindBitBool) && len(v) <= 8:
			return appendBits(dst, v, k), nil
		}
		return appendText(dst, v, c), nil
	case int64:
		return appendInt(dst, v, k), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float32:
		return jsonenc.AppendFloat(dst, float64(v), 32), nil
	case float64:
		if k == kindFloat32 {
			return jsonenc.AppendFloat(dst, v, 32), nil
		}
		return jsonenc.AppendFloat(dst, v, 64), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case time.Time:
		return appendTime(dst, v, k), nil
	default:
		return nil, fmt.Errorf("the driver returns a %T, which database/sql does not allow: cast it in the query", v)
	}
}

// appendInt appends an integer, a boolean or a timestamp, depending on the kind of the column.
func appendInt(dst []byte, v int64, k kind) []byte {
	switch {
	case k == kindBool && (v == 0 || v == 1):
		return strconv.AppendBool(dst, v == 1)
	case k == kindMySQLUnix && v == 0:
		return append(dst, "null"...)
	case k == kindMySQLUnix:
		return appendTime(dst, time.Unix(v, 0), k)
	default:
		return strconv.AppendInt(dst, v, 10)
	}
}

// appendTime appends a timestamp or a date. A date of SQLite that has a time becomes a timestamp.
func appendTime(dst []byte, v time.Time, k kind) []byte {
	switch {
	case v.UTC().Year() < 0 || v.UTC().Year() > 9999:
		return append(dst, "null"...) // RFC 3339 has no text for it
	case k == kindDate && v.Equal(midnight(v)):
		return append(v.AppendFormat(append(dst, '"'), time.DateOnly), '"')
	default:
		return append(v.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	}
}

// midnight returns the start of the day of v, in its own time zone.
func midnight(v time.Time) time.Time {
	year, month, day := v.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, v.Location())
}

// appendMySQLTime appends the date or the timestamp in a text of MySQL. A date that the calendar does not have, such as
// 2024-00-00, stays a text.
func appendMySQLTime(dst []byte, v string, c *column) []byte {
	if strings.Trim(v, "0-:. ") == "" {
		return append(dst, "null"...) // 0000-00-00
	}
	if c.kind == kindMySQLUnix {
		seconds, fraction, _ := strings.Cut(v, ".")
		sec, err := strconv.ParseInt(seconds, 10, 64)
		nsec, err2 := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err == nil && err2 == nil {
			return appendTime(dst, time.Unix(sec, nsec), c.kind)
		}
	}
	if c.kind == kindMySQLTime {
		if t, err := time.ParseInLocation(time.DateTime, v, cmp.Or(c.loc, time.UTC)); err == nil {
			return appendTime(dst, t, c.kind)
		}
	}
	return jsonenc.AppendString(dst, v)
}

// appendBits appends big-endian bits as a number or as a boolean.
func appendBits(dst, v []byte, k kind) []byte {
	var n uint64
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	if k == kindBitBool && n <= 1 {
		return strconv.AppendBool(dst, n == 1)
	}
	return strconv.AppendUint(dst, n, 10)
}

// appendText appends a text as the JSON value that it represents in the column.
func appendText[T string | []byte](dst []byte, v T, c *column) []byte {
	k := c.kind
	switch {
	case k == kindMySQLTime, k == kindMySQLDate, k == kindMySQLUnix:
		return appendMySQLTime(dst, string(v), c)
	case k == kindDate && isInfinity(string(v)), k == kindMoment && isInfinity(string(v)):
		return append(dst, "null"...)
	case k == kindJSON,
		(k == kindMaybeJSON || k == kindSQLiteJSON) && json.Valid([]byte(v)),
		k == kindNumber && jsonenc.IsNumber(v):
		return append(dst, v...)
	case k == kindNumber: // NaN and the infinities
		return append(dst, "null"...)
	default:
		return jsonenc.AppendString(dst, v)
	}
}

// isInfinity reports whether a text is PostgreSQL's infinity or -infinity.
func isInfinity(v string) bool { return v == "infinity" || v == "-infinity" }
