package sqlsource

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/public"
)

// idsPerStatement is the number of ids that one statement looks for, and so of products that Find holds in memory.
const idsPerStatement = 200

var (
	_ reindex.Finder  = (*Source)(nil)
	_ reindex.Locator = (*snapshot)(nil)
)

// Find yields those of the products with these ids that the tenant has now. It holds a connection during each statement
// and none while it yields, so no place in the pool is kept for it. If the pool's only connection is a snapshot's, the
// error matches [ErrNoRoom]. If nothing is found, and neither Config.Tenants nor another product shows that the tenant
// exists, the error matches [ErrUnknownTenant].
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
			delete(wanted, id) // the first one counts
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
			"%w: Config.Query returns no row for it, and Config.Tenants, which could say that it exists, is not set",
			ErrUnknownTenant,
		)
	}
	return nil, err
}

// Locate names the rows of products by their keys.
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
		return true, nil // a row without a proper id has none of these
	})
}
