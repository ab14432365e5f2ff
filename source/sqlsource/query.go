package sqlsource

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
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

// anySQL returns one row of the query, if there is one.
func (c Config) anySQL() string { return "SELECT 1" + c.from() + " LIMIT 1" }

// countKeysSQL counts the rows that have a key.
func (c Config) countKeysSQL() string {
	return "SELECT count(" + c.Dialect.quote(c.Key) + ")" + c.from()
}

// sharesSQL returns the first keys of all shares but the first one, if total rows in the order of the key are shared
// out. The n-th row, from 0, is in the share n × shares ÷ total.
func (c Config) sharesSQL(shares, total int64) string {
	key, rank := c.Dialect.quote(c.Key), c.Dialect.quote("the row's rank")
	share := func(n string) string { return fmt.Sprintf("(%s - 1) * %d / %d", n, shares, total) }
	return "SELECT " + key + " FROM (SELECT " + key + ", row_number() OVER (ORDER BY " + key + ") AS " + rank +
		c.from() + " WHERE " + key + " IS NOT NULL) AS ranked WHERE " + rank + " > 1 AND " +
		share(rank) + " > " + share("("+rank+" - 1)") + " ORDER BY " + key
}

// nullKeySQL returns a row if there is one whose key is NULL.
func (c Config) nullKeySQL() string {
	return "SELECT 1" + c.from() + " WHERE " + c.Dialect.quote(c.Key) + " IS NULL LIMIT 1"
}

// noKeySQL reads the rows that have no key.
func (c Config) noKeySQL(r *row) string {
	return "SELECT " + r.columns + c.from() + " WHERE " + c.Dialect.quote(c.Key) + " IS NULL"
}

// keyParam is the n-th parameter, from 1, of a statement that uses them in order, which is compared with a key of a
// kind.
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

// pageSQL reads rows in the order of the key, from a key on and below another one if these are set. Their parameters
// follow the query's own args ones. A negative limit reads all of the query's rows as they come.
func (c Config) pageSQL(r *row, args int, from, below bool, limit int) string {
	query := "SELECT " + r.columns + c.from()
	if limit < 0 {
		return query
	}
	kind := r.cols[r.key].kind
	key := c.Dialect.quote(c.Key)
	where := key + " IS NOT NULL"
	if from {
		args++
		where = key + " >= " + c.keyParam(args, kind)
	}
	if below {
		args++
		where += " AND " + key + " < " + c.keyParam(args, kind)
	}
	return query + " WHERE " + where + " ORDER BY " + key + " LIMIT " + strconv.Itoa(limit)
}

// idsSQL reads columns of the rows that can have one of the ids. Collations find texts equal that are different ids, so
// the caller compares the ids of the rows. It returns no statement if no row can have one of them.
func (c Config) idsSQL(r *row, columns string, args []any, ids []string) (statement string, all []any) {
	expr, values := c.idValues(r.idType, ids)
	if len(values) == 0 {
		return "", nil
	}
	params := make([]string, len(values))
	for i := range values {
		params[i] = c.keyParam(len(args)+i+1, kindValue)
	}
	query := "SELECT " + columns + c.from() + " WHERE " + expr + " IN (" + strings.Join(params, ", ") + ")"
	return query, append(slices.Clip(args), values...)
}

// idValues returns what to compare ids with, and the values of those that a column of the type can have.
func (c Config) idValues(typeName string, ids []string) (expr string, values []any) {
	expr = c.Dialect.quote(c.ID)
	switch bits := integerBits(typeName); {
	case c.Dialect == SQLite: // in which the values of one column are of several types
		for _, id := range ids {
			values = append(values, id)
			if n, err := strconv.ParseInt(id, 10, 64); err == nil {
				values = append(values, n)
			}
		}
		return expr, values
	case bits > 0 && strings.HasPrefix(typeName, "UNSIGNED"):
		return expr, parsed(ids, func(id string) (any, error) { return strconv.ParseUint(id, 10, bits) })
	case bits > 0:
		return expr, parsed(ids, func(id string) (any, error) { return strconv.ParseInt(id, 10, bits) })
	case c.Dialect == PostgreSQL && !slices.Contains([]string{typeText, typeVarchar, typeBPChar}, typeName):
		expr = "CAST(" + expr + " AS text)"
		if typeName == "UUID" { // which has an index to use
			expr = c.Dialect.quote(c.ID)
			ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !uuidText.MatchString(id) })
		}
	case c.Dialect == MySQL && !slices.Contains(mysqlTexts, typeName):
		expr = "CAST(" + expr + " AS CHAR)"
	}
	return expr, parsed(ids, func(id string) (any, error) {
		if !utf8.ValidString(id) || strings.Contains(id, "\x00") {
			return nil, errors.New("no text of a database")
		}
		return id, nil
	})
}

// mysqlTexts are the types of texts.
var mysqlTexts = []string{typeVarchar, "CHAR", typeText, "TINYTEXT", "MEDIUMTEXT", "LONGTEXT"}

// uuidText is how PostgreSQL writes a UUID.
var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// integerBits returns the size of a type of integers, and 0 if the type is another one.
func integerBits(typeName string) int {
	switch strings.TrimPrefix(typeName, "UNSIGNED ") {
	case "TINYINT":
		return 8
	case "INT2", "SMALLINT":
		return 16
	case "INT4", "INT", "MEDIUMINT":
		return 32
	case "INT8", "BIGINT":
		return 64
	}
	return 0
}

// parsed returns the values of the ids that have one.
func parsed(ids []string, parse func(id string) (any, error)) []any {
	var values []any
	for _, id := range ids {
		if v, err := parse(id); err == nil {
			values = append(values, v)
		}
	}
	return values
}
