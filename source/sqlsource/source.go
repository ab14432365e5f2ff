package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"productindex/reindex"
)

// ErrUnknownTenant: the database has no such tenant, or no product of it where Config.Tenants is not set.
var ErrUnknownTenant = errors.New("unknown tenant")

// Source reads a tenant's products from a database. It is safe for concurrent use. See the package's documentation for what it promises.
type Source struct {
	db  *sql.DB
	cfg Config

	// opening is held while Partitions takes its connections, so that two calls never wait for each other's.
	opening chan struct{}
}

var (
	_ reindex.Source      = (*Source)(nil)
	_ reindex.Counter     = (*Source)(nil)
	_ reindex.Partitioner = (*Source)(nil)
)

// New returns a source that reads through db, which stays the caller's. The error names every setting that is invalid. It does not
// connect: that Query is valid, and has the columns named, is checked by each read.
func New(db *sql.DB, cfg Config) (*Source, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Source{db: db, cfg: c, opening: make(chan struct{}, 1)}, nil
}

// Products yields every product of the tenant as of one moment: the snapshot that the transaction took when it began. It holds one
// connection until the sequence ends. A row that can not be read ends the sequence with an error that names the product before it.
func (s *Source) Products(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		r, err := s.open(ctx, tenant)
		if err != nil {
			yield(reindex.Product{}, s.wrap(ctx, tenant, err))
			return
		}
		defer r.close()
		if err := r.read(yield); err != nil {
			yield(reindex.Product{}, s.wrap(ctx, tenant, err))
		}
	}
}

// Count returns how many products of the tenant there are at the moment of the call.
func (s *Source) Count(ctx context.Context, tenant string) (int64, error) {
	if err := s.checkTenant(ctx, s.db, tenant); err != nil {
		return 0, s.wrap(ctx, tenant, err)
	}
	n, err := s.count(ctx, s.db, tenant)
	if err != nil {
		return 0, s.wrap(ctx, tenant, err)
	}
	return n, nil
}

func (s *Source) count(ctx context.Context, q querier, tenant string) (int64, error) {
	var n int64
	if err := q.QueryRowContext(ctx, s.cfg.countSQL(), s.cfg.Args(tenant)...).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting: %w", err)
	}
	return n, nil
}

// querier is what *sql.DB and *sql.Tx have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// open begins a snapshot and learns what the query returns.
func (s *Source) open(ctx context.Context, tenant string) (*reader, error) {
	tx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{src: s, ctx: ctx, tx: tx, args: s.cfg.Args(tenant)}
	if err := r.prepare(tenant); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// begin opens a read-only transaction whose statements all see the state of one moment.
func (s *Source) begin(ctx context.Context) (*sql.Tx, error) {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.cfg.Dialect != SQLite {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.db.BeginTx(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	return tx, nil
}

// checkTenant asks Config.Tenants, where it is set, whether the tenant exists.
func (s *Source) checkTenant(ctx context.Context, q querier, tenant string) error {
	if s.cfg.Tenants == "" {
		return nil
	}
	known, err := exists(ctx, q, s.cfg.Tenants, s.cfg.Args(tenant))
	if err != nil {
		return fmt.Errorf("Config.Tenants: %w", err)
	}
	if !known {
		return fmt.Errorf("%w: Config.Tenants returns no row for it", ErrUnknownTenant)
	}
	return nil
}

// exists reports whether the query returns a row.
func exists(ctx context.Context, q querier, query string, args []any) (bool, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	found := rows.Next()
	return found, rows.Err()
}

// wrap says which tenant could not be read. A driver reports the end of ctx in words of its own: they are replaced.
func (s *Source) wrap(ctx context.Context, tenant string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("sqlsource: reading tenant %q: %w", tenant, err)
}
