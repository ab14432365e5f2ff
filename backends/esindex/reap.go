package esindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// markKey is the key of the mark in the _meta of the mappings.
const markKey = "productindex"

// mark identifies the owner of a generation and describes its content. It is stored in the mappings of the index.
type mark struct {
	Prefix string `json:"prefix"`
	Tenant string `json:"tenant"`
	// Owner identifies the Index that created the generation.
	Owner string `json:"owner"`
	// Fence is the fencing token of the run; 0 if it has none.
	Fence int64 `json:"fence,omitempty"`
	// Documents is the number of products at Seal; nil before.
	Documents *int64 `json:"documents,omitempty"`
	// Unsearched are the fields that are stored but not searched.
	Unsearched []string `json:"unsearched,omitempty"`
	// Load is the state that a process needs to resume the generation; nil before the load.
	Load *load `json:"load,omitempty"`
	// Alive is the time of the owner's last sign of life.
	Alive time.Time `json:"alive"`
}

// mark returns the current mark of the generation.
func (g *generation) mark() mark {
	m := mark{
		Prefix: g.ix.cfg.Prefix, Tenant: g.names.tenant, Owner: g.ix.owner, Fence: g.token,
		Documents: g.documents, Unsearched: g.unsearched, Alive: g.ix.now().UTC(),
	}
	if g.token > 0 && g.restore != nil {
		m.Load = &load{Templated: g.templated, Restore: g.restore}
	}
	return m
}

// writeMark writes the current mark of the generation to its index.
func (g *generation) writeMark(ctx context.Context) error {
	g.marking.Lock() // marks must be written in the order in which they are made
	defer g.marking.Unlock()
	body := jsonBody(map[string]any{"_meta": g.ix.mappings.markedMeta(g.mark())})
	return call(ctx, g.ix.transport, "marking index "+g.name, esapi.IndicesPutMappingRequest{Index: []string{g.name},
		Body: body}, nil)
}

// showLife writes the mark as a sign of life, and logs a failure.
func (g *generation) showLife(ctx context.Context) {
	if err := g.writeMark(ctx); err != nil && ctx.Err() == nil {
		g.ix.cfg.Logger.WarnContext(ctx, "cannot renew the sign of life of a generation", "index", g.name, "error", err)
	}
}

// Reap implements [reindex.Reaper]. A generation belongs to a dead run if it has this tenant's mark, is neither live
// nor kept, and one of these holds: this Index created it and no longer uses it; it has shown no sign of life for
// Config.ReapAfter; its fencing token is smaller than that of ctx. Reap also deletes the generations that
// Config.KeepPrevious and Config.KeepFor no longer keep. It does not delete an index to which somebody added an alias.
func (ix *Index) Reap(ctx context.Context, tenant string) (int, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return 0, err
	}
	n := ix.names(tenant)
	marked, err := ix.marked(ctx, n)
	if err != nil {
		return 0, err
	}
	token, _ := reindex.Fence(ctx)
	var (
		reaped int
		errs   []error
	)
	released, err := ix.release(ctx, n)
	errs = append(errs, err)
	for index, e := range marked {
		over := !ix.inUse(n, index, e) && (ix.dead(index, e.Mappings.Meta.Mark) || e.olderThan(index, token))
		if !over && !slices.Contains(released, index) {
			continue
		}
		deleted, err := ix.sweep(ctx, n, index)
		if err != nil {
			errs = append(errs, err)
		} else if deleted {
			reaped++
		}
	}
	return reaped, errors.Join(errs...)
}

// marked returns the generations that have the tenant's mark, by index name.
func (ix *Index) marked(ctx context.Context, n names) (map[string]entry, error) {
	entries, err := ix.look(ctx, n.live+"-*")
	if err != nil {
		return nil, err
	}
	return n.marked(entries), nil
}

// marked returns those of the entries that are generations with the tenant's mark.
func (n names) marked(entries map[string]entry) map[string]entry {
	ours := map[string]entry{}
	for index, e := range entries {
		m := e.Mappings.Meta.Mark
		if m != nil && m.Prefix == n.prefix && m.Tenant == n.tenant && isGeneration(n.live, index) {
			ours[index] = e
		}
	}
	return ours
}

// inUse reports whether the index is live or kept, or has an alias that somebody added.
func (ix *Index) inUse(n names, index string, e entry) bool {
	return e.published(n, index) || e.isKept(n) || len(e.further(n, index)) > 0
}

// dead reports whether no process uses the generation any more.
func (ix *Index) dead(index string, m *mark) bool {
	if ix.isOpen(index) {
		return false
	}
	return m.Owner == ix.owner || ix.now().Sub(m.Alive) >= ix.cfg.ReapAfter
}

// sweep deletes a generation that is not live and reports whether it is gone. It first waits until no search uses the
// index, which may have been live until now.
func (ix *Index) sweep(ctx context.Context, n names, index string) (bool, error) {
	if err := ix.awaitIdle(ctx, index); err != nil {
		return false, err
	}
	return ix.discard(ctx, n, index)
}

// newer returns the name of another generation with the same or a greater token, or "" if there is none. Generations
// that this Index has created and given up do not count, since earlier attempts of the same run have the same token.
func (g *generation) newer(marked map[string]entry) string {
	for index, e := range marked {
		m := e.Mappings.Meta.Mark
		own := index == g.name || m.Owner == g.ix.owner && e.token(index) == g.token && !g.ix.isOpen(index) &&
			!g.ix.inUse(g.names, index, e)
		if e.token(index) >= g.token && !own {
			return index
		}
	}
	return ""
}

// takeOver makes sure that no run with a smaller fencing token can switch any more. It returns an error that matches
// [reindex.ErrFenced] if there is a generation with the same or a greater token. It uses the indexes that inspect saw
// after it created its own index, so that of two runs at least one sees the other.
func (g *generation) takeOver(ctx context.Context) error {
	if g.token == 0 {
		return nil
	}
	if newer := g.newer(g.seen); newer != "" {
		return fmt.Errorf("esindex: index %s: %w: its index is %s", g.name, reindex.ErrFenced, newer)
	}
	for index, e := range g.seen {
		var err error
		switch {
		case index == g.name || !e.olderThan(index, g.token):
		case e.isKept(g.names) && e.fenced(index):
			err = g.ix.disown(ctx, index, e)
		case !e.published(g.names, index) && !e.isKept(g.names): // sweep keeps it if somebody added an alias to it
			_, err = g.ix.sweep(ctx, g.names, index)
		}
		if err != nil {
			return err
		}
	}
	g.seen = nil
	return nil
}

// disown removes the aliases of a rollback in another process, so that this process can no longer switch to the kept
// index.
func (ix *Index) disown(ctx context.Context, index string, e entry) error {
	var actions []action
	for alias := range e.Aliases {
		if isOwn(index, alias) {
			actions = append(actions, removeAlias(index, alias))
		}
	}
	err := ix.updateAliases(ctx, "ending the rollback to index "+index, actions)
	if hasStatus(err, http.StatusNotFound) {
		return reindex.Temporary(permanent(err)) // it became live or was deleted meanwhile
	}
	return err
}
