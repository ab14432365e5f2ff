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

// markKey is where the mark of a generation stands in the _meta of its mappings.
const markKey = "productindex"

// mark says whose an index is, and what it holds.
type mark struct {
	Prefix string `json:"prefix"`
	Tenant string `json:"tenant"`
	// Owner is the Index that made it.
	Owner string `json:"owner"`
	// Fence is the fencing token of the run; 0 if it has none.
	Fence int64 `json:"fence,omitempty"`
	// Documents is the number of products that it held when it was sealed; nil before.
	Documents *int64 `json:"documents,omitempty"`
	// Unsearched are the fields that it keeps and does not search.
	Unsearched []string `json:"unsearched,omitempty"`
	// Load is what a process has to know that resumes the generation; nil before it is prepared.
	Load *load `json:"load,omitempty"`
	// Alive is when the owner has last shown a sign of life.
	Alive time.Time `json:"alive"`
}

// mark is the generation's, as of now.
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

// writeMark renews the generation's mark.
func (g *generation) writeMark(ctx context.Context) error {
	g.marking.Lock() // of two marks the later one has to be written later
	defer g.marking.Unlock()
	body := jsonBody(map[string]any{"_meta": g.ix.mappings.markedMeta(g.mark())})
	return call(ctx, g.ix.transport, "marking index "+g.name, esapi.IndicesPutMappingRequest{Index: []string{g.name},
		Body: body}, nil)
}

// showLife renews the generation's mark, and logs if that fails.
func (g *generation) showLife(ctx context.Context) {
	if err := g.writeMark(ctx); err != nil && ctx.Err() == nil {
		g.ix.cfg.Logger.WarnContext(ctx, "a sign of life failed", "index", g.name, "error", err)
	}
}

// Reap implements [reindex.Reaper]. A generation belongs to a dead run if it bears this tenant's mark, is neither live
// nor kept to go back to, and either was made by this Index and has ended, or has shown no sign of life for
// Config.ReapAfter, or has a smaller fencing token than ctx. Reap also deletes the generations that Config.KeepPrevious
// and Config.KeepFor keep no longer. One to which somebody gave an alias stays.
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

// marked returns all generations of the tenant that bear its mark, by their names.
func (ix *Index) marked(ctx context.Context, n names) (map[string]entry, error) {
	entries, err := ix.look(ctx, n.live+"-*")
	if err != nil {
		return nil, err
	}
	return n.marked(entries), nil
}

// marked returns those of the indexes that are generations of the tenant and bear its mark.
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

// inUse reports whether the index is live, kept to go back to, or somebody's.
func (ix *Index) inUse(n names, index string, e entry) bool {
	return e.published(n, index) || e.isKept(n) || len(e.further(n, index)) > 0
}

// dead reports whether nobody works on the index any more.
func (ix *Index) dead(index string, m *mark) bool {
	if ix.isOpen(index) {
		return false
	}
	return m.Owner == ix.owner || ix.now().Sub(m.Alive) >= ix.cfg.ReapAfter
}

// sweep deletes a generation that is not live, once no search uses it: it may have been live until now. It reports
// whether it has.
func (ix *Index) sweep(ctx context.Context, n names, index string) (bool, error) {
	if err := ix.awaitIdle(ctx, index); err != nil {
		return false, err
	}
	return ix.discard(ctx, n, index)
}

// newer returns the name of a generation with a token that is not smaller than ours, empty if there is none.
// Generations that this Index has made and given up do not count: a run's own earlier tries also have its token.
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

// takeOver makes sure that no run with a smaller fencing token can publish any more, and that there is none with the
// same or a greater one. It goes by what inspect has seen after the generation's own index was there, so that of two
// runs at least one sees the other.
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
		case !g.ix.inUse(g.names, index, e):
			_, err = g.ix.sweep(ctx, g.names, index)
		}
		if err != nil {
			return err
		}
	}
	g.seen = nil
	return nil
}

// disown takes a kept index from a process that goes back to it, so that this one can no longer switch to it.
func (ix *Index) disown(ctx context.Context, index string, e entry) error {
	var actions []action
	for alias := range e.Aliases {
		if isOwn(index, alias) {
			actions = append(actions, removeAlias(index, alias))
		}
	}
	err := ix.updateAliases(ctx, "ending the rollback to index "+index, actions)
	if hasStatus(err, http.StatusNotFound) {
		return reindex.Temporary(permanent(err)) // it went live or away meanwhile
	}
	return err
}
