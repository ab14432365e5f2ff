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

// Outbox is a table in which [Follow] finds changes. The host adds a row for each product that it changes, in the
// transaction of the change and after it, to a table such as
//
//	CREATE TABLE product_changes (
//		sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//		tenant   text NOT NULL,
//		id       text NOT NULL,
//		deleted  boolean NOT NULL DEFAULT false
//	)
//
// Dialect and Table are required. Names are quoted, so they have to be written as the database has them.
type Outbox struct {
	// Dialect is the kind of database.
	Dialect Dialect
	// Table is the name of the table. A schema stands before a dot, as in "shop.product_changes".
	Table string

	// Sequence is the column by which rows are ordered: an integer that is unique and never NULL. Its values can become
	// visible in another order, as those of sequences do, and can have gaps. Default "sequence".
	Sequence string
	// ID is the column of the product's id, which is read as Config.ID is. Default "id".
	ID string
	// Deleted is a column that says if the product was deleted: a boolean, or an integer that is not 0. NULL means
	// that it was not. Default "deleted".
	Deleted string
	// Body is a column that holds the product as it is now, as a JSON object. Empty, and a row in which it is NULL,
	// mean that the product is looked up in the source; see [reindex.Change].
	Body string
	// Lookup means that every product is looked up, and that there is neither a column Deleted nor Body: a product that
	// the source does not find is deleted. The order of changes does not matter then.
	Lookup bool
	// Tenant is the tenant whose changes the table holds. Empty: TenantColumn has the tenant of each row.
	Tenant string
	// TenantColumn is the column of the tenant, a text. Default "tenant". It is not used if Tenant is set.
	TenantColumn string

	// Interval is the time between two looks into the table if there is nothing to do. Default 1 s.
	Interval time.Duration
	// Channel is a channel of PostgreSQL on which NOTIFY says that there are rows, so that they are read at once. It
	// needs WaitForNotification. Without a notification rows are found after Interval.
	Channel string
	// WaitForNotification waits for a notification on the driver's connection, or for the end of ctx, which leaves the
	// connection usable. With jackc/pgx's stdlib package:
	//
	//	func(ctx context.Context, conn any) error {
	//		_, err := conn.(*stdlib.Conn).Conn().WaitForNotification(ctx)
	//		return err
	//	}
	WaitForNotification func(ctx context.Context, conn any) error

	// BatchRows is the number of rows that are read at a time, and the greatest number of changes in a call of update.
	// Default 500.
	BatchRows int
	// BatchBytes is the sum of the lengths of ids and bodies, in bytes, at which a batch ends before it has BatchRows.
	// Default 4 MiB.
	BatchBytes int
	// Workers is the number of tenants whose changes are carried out at the same time. Default 4.
	Workers int
	// MaxDelay is the longest wait before what failed is tried again. The first wait is 200 ms. Default 30 s.
	MaxDelay time.Duration

	// Refused is called for each change that was refused, and for each row that is not a change, before the row is
	// deleted. It may be called from several goroutines at the same time. The log has them in any case.
	Refused func(ctx context.Context, tenant string, item reindex.ItemError)
	// Logger receives messages, which never hold a product's body. Nil discards them.
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

// validate reports every setting of an outbox with defaults that is not valid.
func (o Outbox) validate() error {
	var errs []error
	positive := func(name string, v int64) {
		if v < 1 {
			errs = append(errs, fmt.Errorf("%s is %d, it must be positive", name, v))
		}
	}
	switch o.Dialect {
	case PostgreSQL, MySQL, SQLite:
	default:
		errs = append(errs, fmt.Errorf("Outbox.Dialect is %q, it must be %s, %s or %s", o.Dialect, PostgreSQL, MySQL, SQLite))
	}
	if o.Table == "" {
		errs = append(errs, errors.New("Outbox.Table is not set"))
	}
	if o.Lookup && (o.Deleted != "" || o.Body != "") {
		errs = append(errs, errors.New("Outbox.Lookup is set, and so is Deleted or Body, which are not read then"))
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
		errs = append(errs, errors.New("Outbox.Channel and WaitForNotification need each other"))
	}
	if o.Channel != "" && o.Dialect != PostgreSQL {
		errs = append(errs, fmt.Errorf("Outbox.Channel is set, which %s does not have", o.Dialect))
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

// table returns the table's name for a statement.
func (o Outbox) table() string {
	parts := strings.Split(o.Table, ".")
	for i, part := range parts {
		parts[i] = o.Dialect.quote(part)
	}
	return strings.Join(parts, ".")
}

// describeSQL returns no row, and the columns of the table.
func (o Outbox) describeSQL() string {
	return "SELECT * FROM " + o.table() + " LIMIT 0" //nolint:unqueryvet // which columns there are is the question
}

// columns are those that are read, in the order of outboxRow.
func (o Outbox) columns() []string {
	columns := []string{o.Sequence, o.ID}
	for _, name := range []string{o.TenantColumn, o.Deleted, o.Body} {
		if name != "" {
			columns = append(columns, name)
		}
	}
	return columns
}

// readSQL reads the next rows, without those of some tenants, which are its parameters. Of each column it reads what
// columns has for it.
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

// unorderedSQL returns a row if there is one without a sequence.
func (o Outbox) unorderedSQL() string {
	return "SELECT 1 FROM " + o.table() + " WHERE " + o.Dialect.quote(o.Sequence) + " IS NULL LIMIT 1"
}

// deleteSQL deletes rows.
func (o Outbox) deleteSQL(sequences []int64) string {
	values := make([]string, len(sequences))
	for i, n := range sequences {
		values[i] = strconv.FormatInt(n, 10)
	}
	sequence := o.Dialect.quote(o.Sequence)
	return "DELETE FROM " + o.table() + " WHERE " + sequence + " IN (" + strings.Join(values, ", ") + ")"
}
