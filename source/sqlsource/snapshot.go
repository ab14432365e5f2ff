package sqlsource

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// snapshot is a [reindex.Snapshot] in one transaction.
type snapshot struct {
	src     *Source
	tenant  string
	args    []any
	layout  *row
	session *session
	seat    seat
	cancel  context.CancelFunc
	closing sync.Once
}

var (
	_ reindex.Snapshot = (*snapshot)(nil)
	_ reindex.Counter  = (*snapshot)(nil)
)

// prepare checks that the tenant exists, and checks the columns of the query.
func (s *snapshot) prepare(ctx context.Context) error {
	cfg := s.src.cfg
	if cfg.Tenants != "" {
		known, err := s.session.exists(ctx, cfg.Tenants, s.args...)
		if err != nil {
			return fmt.Errorf("Config.Tenants: %w", err)
		}
		if !known {
			return public.Errorf("%w: Config.Tenants returns no row for it", ErrUnknownTenant)
		}
	}
	if err := s.describe(ctx); err != nil {
		return public.Within("Config.Query", err)
	}
	return nil
}

// describe reads the columns of the query and sets the layout.
func (s *snapshot) describe(ctx context.Context) error {
	rows, err := s.session.QueryContext(ctx, s.src.cfg.describeSQL(), s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err == nil {
		s.layout, err = newRow(s.src.cfg, types)
	}
	if err := cmp.Or(err, rows.Err(), rows.Close()); err != nil {
		return err
	}
	if !s.layout.has(kindMySQLTime) {
		return nil
	}
	// A time that the driver returns has its time zone.
	var c cell
	if err := s.session.scalar(ctx, &c, "SELECT TIMESTAMP '2000-01-01 00:00:00'"); err != nil {
		return fmt.Errorf("reading the time zone of the driver: %w", err)
	}
	if at, ok := c.v.(time.Time); ok {
		s.layout.setZone(at.Location())
	}
	return nil
}

// Products implements [reindex.Snapshot] over the connection of the snapshot. Two concurrent sequences take turns after
// each page. If ctx ends within a page, the driver can drop the connection, and with it the snapshot.
func (s *snapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		r := &reader{cfg: s.src.cfg, session: s.session, args: s.args, row: s.layout.clone()}
		err := s.checkKeys(ctx)
		if err == nil {
			err = r.read(ctx, yield)
		}
		if err != nil {
			yield(reindex.Product{}, s.src.wrap(ctx, s.tenant, err))
		}
	}
}

// Count implements [reindex.Counter]. It counts rows, including bad ones.
func (s *snapshot) Count(ctx context.Context) (int64, error) {
	var n int64
	if err := s.session.scalar(ctx, &n, s.src.cfg.countSQL(), s.args...); err != nil {
		return 0, s.src.wrap(ctx, s.tenant, fmt.Errorf("counting the products: %w", err))
	}
	return n, nil
}

// Close ends the transaction and returns the connection to the pool.
func (s *snapshot) Close() error {
	s.closing.Do(func() {
		if s.session != nil {
			s.session.end()
		}
		s.cancel()
		s.seat.release()
		release(s.src.db)
	})
	return nil
}

// checkKeys returns an error if a row has no key. If the key is the id, such a row is a bad record and not an error.
func (s *snapshot) checkKeys(ctx context.Context) error {
	cfg := s.src.cfg
	if cfg.PageRows < 0 || cfg.Key == cfg.ID {
		return nil
	}
	null, err := s.session.exists(ctx, cfg.nullKeySQL(), s.args...)
	if err != nil {
		return fmt.Errorf("looking for rows without a key: %w", err)
	}
	if null {
		return public.Errorf("column %q is NULL in at least one row; every row must have a key", cfg.Key)
	}
	return nil
}
