package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"productindex/reindex"
)

// ErrUnknownTenant means that the database does not have the tenant. If Config.Tenants is not set, it means that the
// tenant has no products.
var ErrUnknownTenant = errors.New("unknown tenant")

// Source reads the products of a tenant from a database, as the documentation of the package describes. It is safe for
// concurrent use.
type Source struct {
	db  *sql.DB
	cfg Config
}

var _ reindex.Source = (*Source)(nil)

// New returns a source that reads through db. It does not close db and does not connect: Open checks that Query is
// valid and returns the columns that the config names. The error of New names every setting that is not valid.
func New(db *sql.DB, cfg Config) (*Source, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Source{db: db, cfg: c}, nil
}

// Open begins a transaction, whose snapshot is the current state, on a connection that it holds until the snapshot is
// closed. If the pool has no connection left, the error matches [ErrNoRoom].
func (s *Source) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := s.open(ctx, tenant)
	if err != nil {
		return nil, s.wrap(ctx, tenant, err)
	}
	if s.cfg.Dialect == PostgreSQL && s.cfg.PageRows >= 0 {
		return &splittable{snapshot: snap}, nil
	}
	return snap, nil
}

func (s *Source) open(ctx context.Context, tenant string) (*snapshot, error) {
	if err := hold(s.db); err != nil {
		return nil, err
	}
	// The transaction outlives ctx, which bounds only its start.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	begun := context.AfterFunc(ctx, cancel)
	snap := &snapshot{src: s, tenant: tenant, args: s.cfg.Args(tenant), seat: seat{db: s.db}, cancel: cancel}
	var err error
	if snap.session, err = s.begin(life); err == nil {
		err = snap.prepare(ctx)
	}
	if !begun() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = snap.Close()
		return nil, err
	}
	return snap, nil
}

// wrap adds the tenant to an error. If ctx has ended, it replaces the driver's error by that of ctx.
func (s *Source) wrap(ctx context.Context, tenant string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("sqlsource: reading tenant %q: %w", tenant, err)
}
