package sqlsource

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Dialect is the kind of database to which a [database/sql.DB] connects.
type Dialect string

// The databases that a [Source] reads.
const (
	// PostgreSQL is read through a driver such as package stdlib of jackc/pgx.
	PostgreSQL Dialect = "PostgreSQL"
	// MySQL stands for MySQL and MariaDB, read through go-sql-driver/mysql, with parseTime or without.
	MySQL Dialect = "MySQL"
	// SQLite is read through a driver such as modernc.org/sqlite.
	SQLite Dialect = "SQLite"
)

// Type is the type of a column's values that the database does not report.
type Type string

// The types of Config.Types.
const (
	// JSON means that a text that is a JSON document is embedded unchanged. Other texts stay texts.
	JSON Type = "JSON"
	// Boolean means that the number 0 becomes false and 1 becomes true. Other values do not change.
	Boolean Type = "Boolean"
)

// DefaultPageRows is the number of rows that a statement reads by default.
const DefaultPageRows = 5000

// Config configures a [Source]. Dialect and Query are required.
type Config struct {
	// Dialect is the kind of database.
	Dialect Dialect

	// Query is a SELECT that returns every product of a tenant, one per row, in any order, such as
	//
	//	SELECT sku AS id, name, price, tags FROM products WHERE tenant = $1
	//
	// Unless Args is set, the tenant is its only parameter: $1 in PostgreSQL, which may occur several times, and ? in the
	// other databases. The source wraps the query, as in SELECT ... FROM (Query) AS products WHERE id >= $2 ORDER BY id
	// LIMIT 5000; databases push this condition down into the query. The host must quote the identifiers in Query where
	// necessary. The source quotes those that it adds.
	Query string

	// Args returns the parameters of Query and Tenants for a tenant. Default: the tenant is the only parameter.
	Args func(tenant string) []any

	// ID is the column of the product id: a text, an integer or a UUID. A row in which it is NULL is a bad record.
	// Default "id".
	ID string

	// Body is the column that holds the whole product as a JSON object. The object becomes the body unchanged. If Body is
	// empty, the body is an object of all columns of the row; the documentation of the package describes the types.
	Body string

	// Types sets the types of columns that the database does not report, such as {"active": Boolean, "attributes": JSON}.
	// In MySQL, BOOLEAN is TINYINT(1), which drivers return as an integer. In MariaDB, JSON is LONGTEXT. In SQLite, the
	// result of a function has no declared type.
	Types map[string]Type

	// Key is the column to page by. It must be unique within a tenant and never NULL. Pages are fast if an index begins
	// with the column by which Query selects the tenant, followed by Key. Default: ID.
	Key string

	// PageRows is the number of rows that one statement reads. Default [DefaultPageRows]. If PageRows is negative, one
	// statement reads all rows, in the order of Query. This suits queries without a usable key. It needs a driver that
	// streams its rows and a server that lets a statement run for as long as indexing takes (MySQL: net_write_timeout).
	// Such a source has no parts.
	PageRows int

	// Tenants is a query with the same parameters as Query that returns a row if the tenant exists, such as
	// SELECT 1 FROM tenants WHERE name = $1. If Tenants is empty, a tenant without a row in Query counts as unknown, and
	// reading it is an error.
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

// validate returns an error that names every setting that is not valid. The defaults must have been set.
func (c Config) validate() error {
	var errs []error
	switch c.Dialect {
	case PostgreSQL, MySQL, SQLite:
	case "":
		errs = append(errs, errors.New("Config.Dialect is not set"))
	default:
		errs = append(errs, fmt.Errorf("Config.Dialect is %q; it must be %s, %s or %s", c.Dialect, PostgreSQL, MySQL, SQLite))
	}
	if c.Query == "" {
		errs = append(errs, errors.New("Config.Query is not set"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Types)) {
		if t := c.Types[name]; t != JSON && t != Boolean {
			errs = append(errs, fmt.Errorf("Config.Types[%q] is %q; it must be %s or %s", name, t, JSON, Boolean))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sqlsource: invalid config: %w", err)
	}
	return nil
}
