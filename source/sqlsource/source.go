package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"productindex/reindex"
)

// ErrUnknownTenant: the database has no such tenant, or no product of it if Config.Tenants is not set.
var ErrUnknownTenant = errors.New("unknown tenant")

// Source reads a tenant's products from a database. It is safe for concurrent use. The package's documentation has its
// promises.
type Source struct {
	db  *sql.DB
	cfg Config
}

var _ reindex.Source = (*Source)(nil)

// New returns a source that reads through db, which stays the caller's. The error names every setting that is not
// valid. It does not connect: Open checks that Query is valid, and returns the columns that the config names.
func New(db *sql.DB, cfg Config) (*Source, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Source{db: db, cfg: c}, nil
}

// Open begins a transaction, over a connection that it holds until the snapshot is closed. The snapshot is the state of
// this moment. The error matches [ErrNoRoom] if the pool has no connection to spare.
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
	// The transaction outlives ctx, which bounds its beginning.
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

// wrap says which tenant could not be read. A driver reports the end of ctx in words of its own: they are replaced.
func (s *Source) wrap(ctx context.Context, tenant string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("sqlsource: reading tenant %q: %w", tenant, err)
}
