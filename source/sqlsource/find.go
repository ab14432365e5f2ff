package sqlsource

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// idsPerStatement is the largest number of ids in one statement, and so of products that Find holds in memory.
const idsPerStatement = 200

var (
	_ reindex.Finder  = (*Source)(nil)
	_ reindex.Locator = (*snapshot)(nil)
)

// Find yields the products with these ids in their current state, and skips ids that the tenant does not have. It holds
// a connection during each statement and none while it yields. If a snapshot holds the only connection of the pool, the
// error matches [ErrNoRoom]. If Find finds nothing, and neither Config.Tenants nor another product shows that the
// tenant exists, the error matches [ErrUnknownTenant].
func (s *Source) Find(ctx context.Context, tenant string, ids ...string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		wanted := map[string]bool{}
		for _, id := range ids {
			wanted[id] = true
		}
		for chunk := range slices.Chunk(ids, idsPerStatement) {
			found, err := s.find(ctx, tenant, chunk, wanted)
			if err != nil {
				yield(reindex.Product{}, s.wrap(ctx, tenant, err))
				return
			}
			for _, f := range found {
				if err := ctx.Err(); err != nil {
					yield(reindex.Product{}, s.wrap(ctx, tenant, err))
					return
				}
				if !yield(f.product, f.err) {
					return
				}
			}
		}
	}
}

// finding is a product that was found, or the error of its row.
type finding struct {
	product reindex.Product
	err     error
}

// find reads the products with these ids that are still wanted.
func (s *Source) find(
	ctx context.Context,
	tenant string,
	ids []string,
	wanted map[string]bool,
) (found []finding, err error) {
	if err := spare(s.db); err != nil {
		return nil, err
	}
	session, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer session.end()
	snap := &snapshot{src: s, tenant: tenant, args: s.cfg.Args(tenant), session: session}
	if err := snap.prepare(ctx); err != nil {
		return nil, err
	}
	r := &reader{cfg: s.cfg, session: session, row: snap.layout}
	if query, args := s.cfg.idsSQL(r.row, r.row.columns, snap.args, ids); query != "" {
		err = r.rows(ctx, query, args, func() (bool, error) {
			p, bad := r.row.product()
			id := p.ID
			if bad != nil {
				id = bad.ID
			}
			if !wanted[id] {
				return true, nil
			}
			delete(wanted, id) // of several rows with one id, the first counts
			if bad != nil {
				found = append(found, finding{err: bad})
			} else {
				found = append(found, finding{product: p})
			}
			return true, nil
		})
	}
	if err != nil || len(found) > 0 || s.cfg.Tenants != "" {
		return found, err
	}
	known, err := session.exists(ctx, s.cfg.anySQL(), snap.args...)
	if err == nil && !known {
		err = public.Errorf(
			"%w: Config.Query returns no row for it; if a tenant can have no products, set Config.Tenants",
			ErrUnknownTenant,
		)
	}
	return nil, err
}

// Locate implements [reindex.Locator]. A place names a row by its key.
func (s *snapshot) Locate(ctx context.Context, ids ...string) (map[string]string, error) {
	places := map[string]string{}
	for chunk := range slices.Chunk(ids, idsPerStatement) {
		if err := s.locate(ctx, chunk, places); err != nil {
			return nil, s.src.wrap(ctx, s.tenant, fmt.Errorf("locating products: %w", err))
		}
	}
	return places, nil
}

func (s *snapshot) locate(ctx context.Context, ids []string, places map[string]string) error {
	cfg := s.src.cfg
	r := &reader{cfg: cfg, session: s.session, row: s.layout.identity()}
	query, args := cfg.idsSQL(
		r.row,
		cfg.Dialect.quote(r.row.cols[0].name)+", "+cfg.Dialect.quote(r.row.cols[1].name),
		s.args,
		ids,
	)
	if query == "" {
		return nil
	}
	return r.rows(ctx, query, args, func() (bool, error) {
		id, err := r.row.idOf(r.row.cells[0].v)
		if err == nil && places[id] == "" && slices.Contains(ids, id) {
			places[id] = r.row.place(r.row.cells[1])
		}
		return true, nil // a row without a valid id is not wanted
	})
}
