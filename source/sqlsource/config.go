package sqlsource

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Dialect is the kind of database behind a [database/sql.DB].
type Dialect string

// The databases that a [Source] reads.
const (
	// PostgreSQL, through jackc/pgx's stdlib package, for one.
	PostgreSQL Dialect = "PostgreSQL"
	// MySQL and MariaDB, through go-sql-driver/mysql, with parseTime or without.
	MySQL Dialect = "MySQL"
	// SQLite, through modernc.org/sqlite, for one.
	SQLite Dialect = "SQLite"
)

// Type is the type of a column's values that the database does not know.
type Type string

// The types that a column can be said to have.
const (
	// JSON: texts that are JSON documents are embedded as they are. A text that is not one stays a text.
	JSON Type = "JSON"
	// Boolean: the number 0 is false, and 1 is true. Other values stay what they are.
	Boolean Type = "Boolean"
)

// DefaultPageRows is the number of rows that a statement reads by default.
const DefaultPageRows = 5000

// Config says what a [Source] reads. Dialect and Query are required.
type Config struct {
	// Dialect is the kind of database.
	Dialect Dialect

	// Query is a SELECT that returns every product of a tenant, one per row, in any order, such as
	//
	//	SELECT sku AS id, name, price, tags FROM products WHERE tenant = $1
	//
	// The tenant is its one parameter ($1 in PostgreSQL, which may be used several times; ? in the others), unless Args
	// says otherwise. The source wraps the query, as in SELECT ... FROM (Query) AS products WHERE id >= $2 ORDER BY id
	// LIMIT 5000, and databases push that condition down into it. The host quotes the identifiers in Query; the source
	// quotes those that it adds.
	Query string

	// Args returns the parameters of Query (and of Tenants) for a tenant. Nil means the tenant alone.
	Args func(tenant string) []any

	// ID is the column of the product's id: a text, an integer or a UUID. A row in which it is NULL is a bad record.
	// Default "id".
	ID string

	// Body is the column that holds the whole product as a JSON object, which becomes the body as it is. Empty: each row
	// becomes an object of all of its columns (see the package's documentation for the types).
	Body string

	// Types are the types of columns that the database does not know, such as {"active": Boolean, "attributes": JSON}.
	// MySQL's BOOLEAN is TINYINT(1), which drivers show as any other integer; MariaDB's JSON is LONGTEXT; and in SQLite
	// the result of a function has no declared type.
	Types map[string]Type

	// Key is the column to page by: never NULL, and unique within a tenant. An index that begins with what Query selects
	// the tenant by, followed by the key, makes pages fast. Default: ID.
	Key string

	// PageRows is the number of rows that one statement reads. Default [DefaultPageRows]. Negative: one statement reads
	// all of them, in the order of Query. That suits queries without a fitting key. It needs a driver that streams its
	// rows, and a server that lets one statement run as long as indexing takes (MySQL: net_write_timeout), and rules out
	// parts.
	PageRows int

	// Tenants is a query with the same parameters as Query that returns a row if the tenant exists, such as
	// SELECT 1 FROM tenants WHERE name = $1. Empty: a tenant without a row in Query counts as unknown, which is an error.
	Tenants string
}

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c Config) withDefaults() Config {
	if c.Args == nil {
		c.Args = func(tenant string) []any { return []any{tenant} }
	}
	if c.ID == "" {
		c.ID = "id"
	}
	if c.Key == "" {
		c.Key = c.ID
	}
	if c.PageRows == 0 {
		c.PageRows = DefaultPageRows
	}
	c.Query = trimQuery(c.Dialect, c.Query)
	c.Tenants = trimQuery(c.Dialect, c.Tenants)
	return c
}

// validate reports every setting of a config with defaults that is not valid.
func (c Config) validate() error {
	var errs []error
	switch c.Dialect {
	case PostgreSQL, MySQL, SQLite:
	case "":
		errs = append(errs, errors.New("Config.Dialect is not set"))
	default:
		errs = append(errs, fmt.Errorf("Config.Dialect is %q, it must be %s, %s or %s", c.Dialect, PostgreSQL, MySQL, SQLite))
	}
	if c.Query == "" {
		errs = append(errs, errors.New("Config.Query is not set"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Types)) {
		if t := c.Types[name]; t != JSON && t != Boolean {
			errs = append(errs, fmt.Errorf("Config.Types[%q] is %q, it must be %s or %s", name, t, JSON, Boolean))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sqlsource: invalid config: %w", err)
	}
	return nil
}
