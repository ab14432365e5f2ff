package sqlsource

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"

	"productindex/reindex"
)

// Partitions splits the tenant's products into at most n ranges of the key with about as many products each. All of them read the same
// snapshot, each over a connection of its own, which is taken here and released when its sequence ends, or when ctx does. A sequence
// can be read once. No more than the connections that the pool may open are used.
//
// It returns an error that matches [errors.ErrUnsupported] in databases whose connections can not share a snapshot (MySQL, SQLite), and where
// Config.PageRows is negative.
func (s *Source) Partitions(ctx context.Context, tenant string, n int) ([]iter.Seq2[reindex.Product, error], error) {
	if s.cfg.Dialect != PostgreSQL {
		return nil, fmt.Errorf("sqlsource: connections to %s can not share a snapshot: %w", s.cfg.Dialect, errors.ErrUnsupported)
	}
	if s.cfg.PageRows < 0 {
		return nil, fmt.Errorf("sqlsource: Config.PageRows is negative, which reads with one statement: %w", errors.ErrUnsupported)
	}
	if n < 1 {
		return nil, fmt.Errorf("sqlsource: %d partitions were asked for", n)
	}
	if limit := s.db.Stats().MaxOpenConnections; limit > 0 {
		n = min(n, limit)
	}
	select {
	case s.opening <- struct{}{}:
		defer func() { <-s.opening }()
	case <-ctx.Done():
		return nil, s.wrap(ctx, tenant, ctx.Err())
	}
	readers, err := s.openPartitions(ctx, tenant, n)
	if err != nil {
		return nil, s.wrap(ctx, tenant, err)
	}
	seqs := make([]iter.Seq2[reindex.Product, error], len(readers))
	for i, r := range readers {
		seqs[i] = s.once(ctx, tenant, r)
	}
	return seqs, nil
}

// openPartitions opens the readers, or none of them.
func (s *Source) openPartitions(ctx context.Context, tenant string, n int) (readers []*reader, err error) {
	first, err := s.open(ctx, tenant)
	if err != nil {
		return nil, err
	}
	readers = append(readers, first)
	defer func() {
		if err != nil {
			for _, r := range readers {
				r.close()
			}
		}
	}()
	bounds, err := s.bounds(ctx, first, tenant, n)
	if err != nil || len(bounds) == 0 {
		return readers, err // one partition, which also tells an empty tenant from an unknown one
	}
	var snapshot string
	if err := first.tx.QueryRowContext(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot); err != nil {
		return readers, fmt.Errorf("exporting the snapshot: %w", err)
	}
	first.below, first.partition = bounds[0], true
	for i, bound := range bounds {
		tx, err := s.begin(ctx)
		if err != nil {
			return readers, err
		}
		r := &reader{src: s, ctx: ctx, tx: tx, args: first.args, row: first.row.clone(), from: bound, partition: true}
		if i+1 < len(bounds) {
			r.below = bounds[i+1]
		}
		readers = append(readers, r)
		if err := importSnapshot(ctx, tx, snapshot); err != nil {
			return readers, err
		}
	}
	return readers, nil
}

// bounds returns the keys at which the second partition and those after it begin.
func (s *Source) bounds(ctx context.Context, r *reader, tenant string, n int) ([]any, error) {
	if n == 1 {
		return nil, nil
	}
	total, err := s.count(ctx, r.tx, tenant)
	if err != nil {
		return nil, err
	}
	var bounds []any
	for i := int64(1); i < min(int64(n), total); i++ {
		key, err := s.keyAt(ctx, r, total*i/int64(n))
		if err != nil {
			return nil, fmt.Errorf("splitting the keys: %w", err)
		}
		bounds = append(bounds, key)
	}
	return bounds, nil
}

// keyAt reads the key of the row at an offset.
func (s *Source) keyAt(ctx context.Context, r *reader, offset int64) (any, error) {
	rows, err := r.tx.QueryContext(ctx, s.cfg.keyAtSQL(offset), r.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, cmp.Or(rows.Err(), sql.ErrNoRows)
	}
	var c cell
	if err := rows.Scan(&c); err != nil {
		return nil, err
	}
	return r.row.bindable(c), rows.Close()
}

// importSnapshot makes a transaction that has read nothing yet see what the exporting one sees.
func importSnapshot(ctx context.Context, tx *sql.Tx, snapshot string) error {
	// The statement takes no parameters.
	if _, err := tx.ExecContext(ctx, "SET TRANSACTION SNAPSHOT '"+strings.ReplaceAll(snapshot, "'", "''")+"'"); err != nil {
		return fmt.Errorf("sharing the snapshot: %w", err)
	}
	return nil
}

// once returns the sequence of a reader that is open already.
func (s *Source) once(ctx context.Context, tenant string, r *reader) iter.Seq2[reindex.Product, error] {
	unread := make(chan struct{}, 1)
	unread <- struct{}{}
	return func(yield func(reindex.Product, error) bool) {
		select {
		case <-unread:
		default:
			yield(reindex.Product{}, s.wrap(ctx, tenant, errors.New("a partition can be read only once")))
			return
		}
		defer r.close()
		if err := r.read(yield); err != nil {
			yield(reindex.Product{}, s.wrap(ctx, tenant, err))
		}
	}
}
