package esindex

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

var (
	_ reindex.Updater = (*Index)(nil)
	_ reindex.Settler = (*Index)(nil)
	_ reindex.Editor  = (*generation)(nil)
)

// Update implements [reindex.Updater]. It writes to the one index behind the tenant's alias, through the alias, and
// never makes an index. An index in the place of the alias is not live for it. Searches see the changes after the
// index's refresh_interval, or after Settle.
//
// A lasting error says so if the alias stands for several indexes or takes no writes, or if its routing would send
// products to other shards than a run does. Update rejects the same products as Write; a deletion of such an id has
// nothing to delete.
func (ix *Index) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := ix.liveWriter(ctx, ix.names(tenant))
	if err != nil {
		return err
	}
	sent, unfit := operations(changes)
	err = w.write(ctx, sent, unfit)
	if !hasType(err, typeNotFound) {
		return err
	}
	if _, gone := ix.liveWriter(ctx, ix.names(tenant)); gone != nil {
		return gone
	}
	return reindex.Temporary(err) // another index is live now
}

// Settle implements [reindex.Settler]: it refreshes the live index. If nothing is live there is nothing to wait for.
func (ix *Index) Settle(ctx context.Context, tenant string) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		return err
	}
	err := ix.refresh(ctx, ix.Alias(tenant))
	if hasType(err, typeNotFound) {
		return nil
	}
	return err
}

// Edit implements [reindex.Editor]. Commit refreshes after edits that follow Seal, so that searches see them from the
// switch on.
func (g *generation) Edit(ctx context.Context, changes []reindex.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.left {
		return fmt.Errorf("esindex: edit of index %s after it was left as it was", g.name)
	}
	if err := g.noteEdit(ctx); err != nil {
		return err
	}
	g.edited = true
	sent, unfit := operations(changes)
	err := g.writer(g.fence()).write(ctx, sent, unfit)
	if hasType(err, typeNotFound) {
		return g.fencedOr(ctx, err)
	}
	return err
}

// showEdits lets searches of the generation see the edits after Seal.
func (g *generation) showEdits(ctx context.Context) error {
	if !g.edited {
		return nil
	}
	return g.refresh(ctx)
}

// operations returns changes as write takes them, and the upserts that it must not get. A deletion whose id no product
// can have is left out.
func operations(changes []reindex.Change) (sent []reindex.Product, unfit []reindex.ItemError) {
	sent = make([]reindex.Product, 0, len(changes))
	for _, c := range changes {
		if c.Delete {
			if c.ID != "" && len(c.ID) <= maxIDBytes {
				sent = append(sent, reindex.Product{ID: c.ID})
			}
			continue
		}
		p := reindex.Product{ID: c.ID, Body: c.Body}
		if err := admissible(p); err != nil {
			unfit = append(unfit, reindex.ItemError{ID: c.ID, Err: err})
			continue
		}
		sent = append(sent, p)
	}
	return sent, unfit
}

// liveWriter returns the writer of the tenant's live index. The error matches [reindex.ErrNoLiveIndex] if there is
// none.
func (ix *Index) liveWriter(ctx context.Context, n names) (writer, error) {
	t, err := ix.behind(ctx, n)
	switch {
	case err != nil:
		return writer{}, err
	case t.concrete:
		return writer{}, fmt.Errorf("esindex: there is an index of the name %s, where the alias has to be, and the next run replaces it: tenant %s: %w",
			n.live, n.tenant, reindex.ErrNoLiveIndex)
	case len(t.indexes) == 0:
		return writer{}, fmt.Errorf("esindex: tenant %s: %w", n.tenant, reindex.ErrNoLiveIndex)
	}
	if err := t.updatable(n); err != nil {
		return writer{}, err
	}
	index := t.sorted()[0]
	w := writer{ix: ix, tenant: n.tenant, index: index, alias: n.live, live: true}
	if m := t.indexes[index].Mappings.Meta.Mark; m != nil {
		w.unsearched = m.Unsearched
	}
	return w, nil
}

const (
	keyRouting = "index_routing"
	oneShard   = "1"
)

// updatable returns an error if a write through the tenant's alias would not end where a run puts the product.
func (t target) updatable(n names) error {
	if len(t.indexes) > 1 {
		return reindex.Public(
			fmt.Errorf("esindex: alias %s stands for several indexes, %v, and which of them has a product is not known: "+
				"take the alias from all but one, or reindex tenant %s", n.live, t, n.tenant),
			"the tenant's alias stands for several indexes, and which of them has a product is not known; reindex the tenant")
	}
	index := t.sorted()[0]
	e := t.indexes[index]
	d := e.Aliases[n.live]
	writes, set := d[keyWriteIndex]
	routing, routed := d[keyRouting]
	switch {
	case set && string(writes) != "true":
		text := "takes no writes, as is_write_index is false for it"
		return reindex.Public(fmt.Errorf("esindex: alias %s of index %s %s: set it to true", n.live, index, text), "the tenant's alias "+text)
	case routed && fmt.Sprint(e.Settings.Index["number_of_shards"]) != oneShard:
		return reindex.Public(
			fmt.Errorf("esindex: alias %s routes writes by %s, which puts products on other shards of index %s than a run does: "+
				"keep search_routing, and take index_routing off the alias", n.live, routing, index),
			"the tenant's alias routes writes, which puts products on other shards than a reindex does")
	case !set && len(t.stray) > 0:
		slices.Sort(t.stray)
		return reindex.Temporary(reindex.Public(
			fmt.Errorf("esindex: alias %s is also that of an index that was never put live, %s, and has no write index: "+
				"take it from that index, or reindex tenant %s", n.live, strings.Join(t.stray, ", "), n.tenant),
			"the tenant's alias has no write index; reindex the tenant"))
	}
	return nil
}

// refresh lets searches of an index or an alias see all that was written.
func (ix *Index) refresh(ctx context.Context, name string) error {
	var answer struct {
		Shards struct{ Total, Failed int } `json:"_shards"`
	}
	what := "refreshing " + name
	if err := call(ctx, ix.transport, what, esapi.IndicesRefreshRequest{Index: []string{name}}, &answer); err != nil {
		return err
	}
	if answer.Shards.Failed > 0 {
		return reindex.Temporary(reindex.Public(
			fmt.Errorf("esindex: %s: %w: %d of %d did not", what, errPartial, answer.Shards.Failed, answer.Shards.Total),
			"not all shards of the index are available"))
	}
	return nil
}
