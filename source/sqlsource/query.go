package sqlsource

import (
	"strconv"
	"strings"
)

// quote returns name as an identifier.
func (d Dialect) quote(name string) string {
	mark := `"`
	if d == MySQL {
		mark = "`" // which means an identifier in every sql_mode
	}
	return mark + strings.ReplaceAll(name, mark, mark+mark) + mark
}

// from is the query as a table. The line break ends a comment at the query's end.
func (c Config) from() string {
	return " FROM (" + c.Query + "\n) AS products"
}

// countSQL counts the rows of the query.
func (c Config) countSQL() string { return "SELECT count(*)" + c.from() }

// describeSQL returns no row, and the columns of the query.
func (c Config) describeSQL() string {
	return "SELECT *" + c.from() + " LIMIT 0" //nolint:unqueryvet // which columns there are is the question
}

// nullKeySQL returns a row if there is one whose key is NULL.
func (c Config) nullKeySQL() string {
	return "SELECT 1" + c.from() + " WHERE " + c.Dialect.quote(c.Key) + " IS NULL LIMIT 1"
}

// keyAtSQL returns the key of the row at an offset, in the order of the key.
func (c Config) keyAtSQL(offset int64) string {
	key := c.Dialect.quote(c.Key)
	return "SELECT " + key + c.from() + " ORDER BY " + key + " LIMIT 1 OFFSET " + strconv.FormatInt(offset, 10)
}

// keyParam is the n-th parameter, from 1, of a statement that uses them in order, which is compared with a key of a kind.
func (c Config) keyParam(n int, k kind) string {
	switch {
	case c.Dialect == PostgreSQL:
		return "$" + strconv.Itoa(n)
	case c.Dialect == MySQL && k == kindNumber:
		return "CAST(? AS DECIMAL(65,30))" // MySQL compares numbers with texts, which drivers make of decimals, as floats
	default:
		return "?"
	}
}

// pageSQL reads rows in the order of the key, from a key on and below another one where these are set. Their parameters follow the
// query's own args ones. A negative limit reads all of the query's rows as they come.
func (c Config) pageSQL(r *row, args int, from, below bool, limit int) string {
	var b strings.Builder
	b.WriteString("SELECT " + r.columns + c.from())
	kind := r.cols[r.key].kind
	key := c.Dialect.quote(c.Key)
	word := " WHERE "
	if from {
		args++
		b.WriteString(word + key + " >= " + c.keyParam(args, kind))
		word = " AND "
	}
	if below {
		args++
		b.WriteString(word + key + " < " + c.keyParam(args, kind))
	}
	if limit >= 0 {
		b.WriteString(" ORDER BY " + key + " LIMIT " + strconv.Itoa(limit))
	}
	return b.String()
}
