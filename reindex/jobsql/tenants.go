package jobsql

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Tenants implements [reindex.TenantLister].
func (s *Store) Tenants(ctx context.Context) (tenants []string, err error) {
	rows, err := s.db.QueryContext(ctx, s.cfg.Dialect.sql("SELECT tenant FROM reindex_tenants"))
	if err != nil {
		return nil, fmt.Errorf("listing the tenants in the database: %w", advise(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return nil, err
		}
		tenants = append(tenants, tenant)
	}
	slices.Sort(tenants) // by bytes, whatever the database sorts by
	return tenants, rows.Err()
}
