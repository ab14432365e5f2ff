package reindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// TenantLister is an optional capability of a [JobStore]: it lists the tenants that have jobs.
type TenantLister interface {
	// Tenants returns the tenants that have jobs, each of them once, in order. It may return tenants whose jobs were
	// removed.
	Tenants(ctx context.Context) ([]string, error)
}

// Tenants returns the tenants that have jobs, each of them once, in order. The error matches [errors.ErrUnsupported] if
// the job store is not a [TenantLister].
func (e *Engine) Tenants(ctx context.Context) ([]string, error) {
	store, ok := As[TenantLister](e.cfg.Jobs)
	if !ok {
		return nil, fmt.Errorf("the job store does not list its tenants: %w", errors.ErrUnsupported)
	}
	return store.Tenants(ctx)
}

// Tenants implements [TenantLister].
func (m *memJobs) Tenants(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.tenants)), nil
}
