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

// quote returns name as a quoted identifier.
func (d Dialect) quote(name string) string {
	mark := `"`
	if d == MySQL {
		mark = "`" // quotes identifiers in every sql_mode
	}
	return mark + strings.ReplaceAll(name, mark, mark+mark) + mark
}

// from returns a FROM clause with the query as a table. The line break ends a comment at the end of the query.
func (c Config) from() string {
	return " FROM (" + c.Query + "\n) AS products"
}

// countSQL returns a statement that counts the rows of the query.
func (c Config) countSQL() string { return "SELECT count(*)" + c.from() }

// describeSQL returns a statement whose result has the columns of the query and no rows.
func (c Config) describeSQL() string {
	return "SELECT *" + c.from() + " LIMIT 0" //nolint:unqueryvet // it asks for all columns
}

// anySQL returns a statement that returns a row if the query returns one.
func (c Config) anySQL() string { return "SELECT 1" + c.from() + " LIMIT 1" }

// countKeysSQL returns a statement that counts the rows that have a key.
func (c Config) countKeysSQL() string {
	return "SELECT count(" + c.Dialect.quote(c.Key) + ")" + c.from()
}

// sharesSQL returns a statement that divides total rows, in the order of the key, into shares. It returns the first key
// of each share but the first. The nth row, from 0, is in the share n × shares ÷ total.
func (c Config) sharesSQL(shares, total int64) string {
	key, rank := c.Dialect.quote(c.Key), c.Dialect.quote("the row's rank")
	share := func(n string) string { return fmt.Sprintf("(%s - 1) * %d / %d", n, shares, total) }
	return "SELECT " + key + " FROM (SELECT " + key + ", row_number() OVER (ORDER BY " + key + ") AS " + rank +
		c.from() + " WHERE " + key + " IS NOT NULL) AS ranked WHERE " + rank + " > 1 AND " +
		share(rank) + " > " + share("("+rank+" - 1)") + " ORDER BY " + key
}

// nullKeySQL returns a statement that returns a row if a row of the query has no key.
func (c Config) nullKeySQL() string {
	return "SELECT 1" + c.from() + " WHERE " + c.Dialect.quote(c.Key) + " IS NULL LIMIT 1"
}

// noKeySQL returns a statement that reads the rows without a key.
func (c Config) noKeySQL(r *row) string {
	return "SELECT " + r.columns + c.from() + " WHERE " + c.Dialect.quote(c.Key) + " IS NULL"
}

// keyParam returns the nth parameter, from 1, of a statement, for a comparison with a key of a kind. The statement must
// use its parameters in order.
func (c Config) keyParam(n int, k kind) string {
	switch {
	case c.Dialect == PostgreSQL:
		return "$" + strconv.Itoa(n)
	case c.Dialect == MySQL && k == kindNumber:
		return "CAST(? AS DECIMAL(65,30))" // drivers send decimals as texts, which MySQL would compare as floats
	default:
		return "?"
	}
}

// pageSQL returns a statement that reads up to limit rows in the order of the key. from and below limit the keys to a
// half-open range, whose parameters follow the args parameters of the query. If limit is negative, the statement reads
// all rows in the order of the query.
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

// idsSQL returns a statement that reads columns of the rows with the ids. A collation can treat different ids as equal,
// so the caller must compare the ids of the rows. The statement is empty if no row can have one of the ids.
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

// idValues returns the expression to compare, and the values of those ids that a column of the type can have.
func (c Config) idValues(typeName string, ids []string) (expr string, values []any) {
	expr = c.Dialect.quote(c.ID)
	switch bits := integerBits(typeName); {
	case c.Dialect == SQLite: // the values of one column can have several types
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
		if typeName == "UUID" { // without a CAST, so that an index is used
			expr = c.Dialect.quote(c.ID)
			ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !uuidText.MatchString(id) })
		}
	case c.Dialect == MySQL && !slices.Contains(mysqlTexts, typeName):
		expr = "CAST(" + expr + " AS CHAR)"
	}
	return expr, parsed(ids, func(id string) (any, error) {
		if !utf8.ValidString(id) || strings.Contains(id, "\x00") {
			return nil, errors.New("a database cannot store this text")
		}
		return id, nil
	})
}

// mysqlTexts are the text types of MySQL.
var mysqlTexts = []string{typeVarchar, "CHAR", typeText, "TINYTEXT", "MEDIUMTEXT", "LONGTEXT"}

// uuidText matches a UUID as PostgreSQL writes it.
var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// integerBits returns the size of an integer type in bits, or 0 for other types.
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

// parsed returns the values of the ids that parse accepts.
func parsed(ids []string, parse func(id string) (any, error)) []any {
	var values []any
	for _, id := range ids {
		if v, err := parse(id); err == nil {
			values = append(values, v)
		}
	}
	return values
}
