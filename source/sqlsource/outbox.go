package sqlsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"productindex/reindex"
)

// Outbox describes a table from which [Follow] reads changes. For each product that it changes, the host adds a row in
// the same transaction, after the change, to a table such as
//
//	CREATE TABLE product_changes (
//		sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//		tenant   text NOT NULL,
//		id       text NOT NULL,
//		deleted  boolean NOT NULL DEFAULT false
//	)
//
// Dialect and Table are required. Follow quotes the names of tables and columns, so they must be written exactly as the
// database has them.
type Outbox struct {
	// Dialect is the kind of database.
	Dialect Dialect
	// Table is the name of the table, which may include a schema, as in "shop.product_changes".
	Table string

	// Sequence is the column by which rows are ordered: an integer that is unique and never NULL. As with a sequence of
	// the database, the values may have gaps and may become visible in another order. Default "sequence".
	Sequence string
	// ID is the column of the product id. The same types as for Config.ID are allowed. Default "id".
	ID string
	// Deleted is the column that reports whether the product was deleted: a boolean, or an integer that is not 0 if it
	// was. NULL means that it was not. Default "deleted".
	Deleted string
	// Body is a column that holds the current product as a JSON object. If Body is empty, or NULL in a row, the engine
	// looks the product up in its source; see [reindex.Change].
	Body string
	// Lookup means that the engine looks every product up in its source, and deletes a product that the source does not
	// find. Then the order of changes does not matter. Deleted and Body must be empty.
	Lookup bool
	// Tenant is the tenant of all changes in the table. If it is empty, TenantColumn holds the tenant of each row.
	Tenant string
	// TenantColumn is the column of the tenant, a text. It must be empty if Tenant is set. Default "tenant".
	TenantColumn string

	// Interval is the time between two reads of the table if no changes come. Default one second.
	Interval time.Duration
	// Channel is a channel of PostgreSQL on which the host announces new rows with NOTIFY, so that Follow reads them at
	// once. Without a notification it reads them after Interval. Channel needs WaitForNotification.
	Channel string
	// WaitForNotification waits until a notification comes on the driver's connection or ctx ends. The connection must
	// stay usable in both cases. For package stdlib of jackc/pgx it is
	//
	//	func(ctx context.Context, conn any) error {
	//		_, err := conn.(*stdlib.Conn).Conn().WaitForNotification(ctx)
	//		return err
	//	}
	WaitForNotification func(ctx context.Context, conn any) error

	// BatchRows is the largest number of rows that are read at a time, and of changes in a call of update. Default 500.
	BatchRows int
	// BatchBytes is the sum of the lengths of ids and bodies, in bytes, at which a batch ends before it has BatchRows
	// rows. Default 4 MiB.
	BatchBytes int
	// Workers is the number of tenants whose changes are passed to update at the same time. Default 4.
	Workers int
	// MaxDelay is the longest wait between two attempts after a failure. The first wait is 200 ms. Default 30 s.
	MaxDelay time.Duration

	// Refused is called for each refused change, and for each row that is not a valid change, before the row is deleted.
	// It must be safe for concurrent use. These changes are also logged.
	Refused func(ctx context.Context, tenant string, item reindex.ItemError)
	// Logger receives messages. They never contain the body of a product. Nil discards them.
	Logger *slog.Logger
}

const (
	defaultInterval   = time.Second
	defaultBatchRows  = 500
	defaultBatchBytes = 4 << 20
	defaultWorkers    = 4
	defaultMaxDelay   = 30 * time.Second
)

// withDefaults returns a copy of o in which every field that is not set has its default.
func (o Outbox) withDefaults() Outbox {
	o.Sequence = cmp.Or(o.Sequence, "sequence")
	o.ID = cmp.Or(o.ID, "id")
	if !o.Lookup {
		o.Deleted = cmp.Or(o.Deleted, "deleted")
	}
	if o.Tenant == "" {
		o.TenantColumn = cmp.Or(o.TenantColumn, "tenant")
	}
	o.Interval = cmp.Or(o.Interval, defaultInterval)
	o.BatchRows = cmp.Or(o.BatchRows, defaultBatchRows)
	o.BatchBytes = cmp.Or(o.BatchBytes, defaultBatchBytes)
	o.Workers = cmp.Or(o.Workers, defaultWorkers)
	o.MaxDelay = cmp.Or(o.MaxDelay, defaultMaxDelay)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// validate returns an error that names every setting that is not valid. The defaults must have been set.
func (o Outbox) validate() error {
	var errs []error
	positive := func(name string, v int64) {
		if v < 1 {
			errs = append(errs, fmt.Errorf("%s is %d; it must be positive", name, v))
		}
	}
	switch o.Dialect {
	case PostgreSQL, MySQL, SQLite:
	default:
		errs = append(errs, fmt.Errorf("Outbox.Dialect is %q; it must be %s, %s or %s", o.Dialect, PostgreSQL, MySQL, SQLite))
	}
	if o.Table == "" {
		errs = append(errs, errors.New("Outbox.Table is not set"))
	}
	if o.Lookup && (o.Deleted != "" || o.Body != "") {
		errs = append(errs, errors.New("Outbox.Lookup is set, so Outbox.Deleted and Outbox.Body must not be set"))
	}
	if o.Tenant != "" && o.TenantColumn != "" {
		errs = append(errs, errors.New("Outbox.Tenant and TenantColumn are both set"))
	}
	if o.Tenant != "" {
		if err := reindex.CheckTenant(o.Tenant); err != nil {
			errs = append(errs, fmt.Errorf("Outbox.Tenant: %w", err))
		}
	}
	if (o.Channel == "") != (o.WaitForNotification == nil) {
		errs = append(errs, errors.New("Outbox.Channel and WaitForNotification must be set together"))
	}
	if o.Channel != "" && o.Dialect != PostgreSQL {
		errs = append(errs, fmt.Errorf("Outbox.Channel is set, but %s has no channels", o.Dialect))
	}
	positive("Outbox.Interval", int64(o.Interval))
	positive("Outbox.BatchRows", int64(o.BatchRows))
	positive("Outbox.BatchBytes", int64(o.BatchBytes))
	positive("Outbox.Workers", int64(o.Workers))
	positive("Outbox.MaxDelay", int64(o.MaxDelay))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sqlsource: invalid outbox: %w", err)
	}
	return nil
}

// table returns the quoted name of the table.
func (o Outbox) table() string {
	parts := strings.Split(o.Table, ".")
	for i, part := range parts {
		parts[i] = o.Dialect.quote(part)
	}
	return strings.Join(parts, ".")
}

// describeSQL returns a statement whose result has the columns of the table and no rows.
func (o Outbox) describeSQL() string {
	return "SELECT * FROM " + o.table() + " LIMIT 0" //nolint:unqueryvet // it asks for all columns
}

// columns returns the names of the columns to read, in the order of outboxRow.
func (o Outbox) columns() []string {
	columns := []string{o.Sequence, o.ID}
	for _, name := range []string{o.TenantColumn, o.Deleted, o.Body} {
		if name != "" {
			columns = append(columns, name)
		}
	}
	return columns
}

// readSQL returns a statement that reads the given column expressions of the next rows. Its parameters are the tenants
// whose rows it leaves out.
func (o Outbox) readSQL(columns []string, without int) string {
	sequence := o.Dialect.quote(o.Sequence)
	query := "SELECT " + strings.Join(columns, ", ") + " FROM " + o.table() + " WHERE " + sequence + " IS NOT NULL"
	if without > 0 {
		params := make([]string, without)
		for i := range params {
			params[i] = Config{Dialect: o.Dialect}.keyParam(i+1, kindValue)
		}
		tenant := o.Dialect.quote(o.TenantColumn)
		query += " AND (" + tenant + " IS NULL OR " + tenant + " NOT IN (" + strings.Join(params, ", ") + "))"
	}
	return query + " ORDER BY " + sequence + " LIMIT " + strconv.Itoa(o.BatchRows)
}

// unorderedSQL returns a statement that returns a row if a row of the table has no sequence.
func (o Outbox) unorderedSQL() string {
	return "SELECT 1 FROM " + o.table() + " WHERE " + o.Dialect.quote(o.Sequence) + " IS NULL LIMIT 1"
}

// deleteSQL returns a statement that deletes rows.
func (o Outbox) deleteSQL(sequences []int64) string {
	values := make([]string, len(sequences))
	for i, n := range sequences {
		values[i] = strconv.FormatInt(n, 10)
	}
	sequence := o.Dialect.quote(o.Sequence)
	return "DELETE FROM " + o.table() + " WHERE " + sequence + " IN (" + strings.Join(values, ", ") + ")"
}
