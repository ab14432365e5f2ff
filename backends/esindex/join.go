package esindex

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"productindex/reindex"
)

// run returns the name of the run alias, which holds the fencing token of the run that owns the generation. The index
// has this alias until the switch removes it or another process resumes the generation. From then on, every call of the
// earlier owner that also removes the alias fails.
func (g *generation) run() string { return runAlias(g.name, g.token) }

func runAlias(index string, token int64) string {
	return index + runMark + strconv.FormatInt(token, tokenBase)
}

// ownAliases returns the aliases with which the index is created.
func (g *generation) ownAliases() map[string]any {
	own := map[string]any{g.fence(): hiddenDefinition()}
	if g.token > 0 {
		own[g.run()] = hiddenDefinition()
	}
	return own
}

// load is the state of a load that another process needs to resume the generation.
type load struct {
	Templated map[string]definition `json:"templated,omitempty"`
	Restore   map[string]any        `json:"restore,omitempty"`
}

// noteLoad stores the state of the load in the mark, for a process that resumes the generation.
func (g *generation) noteLoad(ctx context.Context) error {
	if g.token == 0 {
		return nil
	}
	return g.writeMark(ctx)
}

// tokenBase is the base in which alias names hold numbers. It keeps the names within the server's limit, whatever the
// token.
const tokenBase = 36

// The parts of the names of a generation's own aliases; see fence and run.
const (
	runMark    = ".run"
	writeMark  = ".write"
	commitMark = ".commit"
)

// token returns the fencing token of the run that owns the index: the token in its mark, or a greater one in the alias
// of a run that has resumed it.
func (e entry) token(index string) int64 {
	token := int64(0)
	if m := e.Mappings.Meta.Mark; m != nil {
		token = m.Fence
	}
	for alias := range e.Aliases {
		if text, ok := strings.CutPrefix(alias, index+runMark); ok {
			if n, err := strconv.ParseInt(text, tokenBase, 64); err == nil {
				token = max(token, n)
			}
		}
	}
	return token
}

// olderThan reports whether the index belongs to a run with a smaller token than this one.
func (e entry) olderThan(index string, token int64) bool {
	has := e.token(index)
	return 0 < has && has < token
}

// resumed reports whether another process has resumed the generation.
func (g *generation) resumed(e entry) bool { return g.token > 0 && e.token(g.name) > g.token }

// endLoad replaces the write alias by the next fence. From then on, writes by processes that have joined the load fail.
func (g *generation) endLoad(ctx context.Context) error {
	if err := ctx.Err(); err != nil || g.token == 0 || g.fences.Load() > 0 {
		return err
	}
	entries, err := g.ix.look(ctx, g.name)
	if err != nil {
		return err
	}
	e := entries[g.name]
	if _, open := e.Aliases[g.writeAlias()]; open {
		actions := append(g.confirm(), removeAlias(g.name, g.writeAlias()),
			addAlias(g.name, g.nextFence(), hiddenDefinition()))
		if err := g.ix.updateAliases(ctx, "ending the load of index "+g.name, actions); err != nil {
			return g.fencedOr(ctx, reindex.Temporary(err))
		}
	} else if _, moved := e.Aliases[g.nextFence()]; !moved || g.resumed(e) {
		return g.fencedOr(ctx, fmt.Errorf("esindex: the aliases of index %s have changed: %w", g.name, reindex.ErrFenced))
	}
	g.fences.Add(1)
	return nil
}

// confirm returns actions that fail a call if another process has resumed the generation, and change nothing otherwise.
func (g *generation) confirm() []action {
	return []action{removeAlias(g.name, g.run()), addAlias(g.name, g.run(), hiddenDefinition())}
}

// nextFence returns the name of the fence after the current one.
func (g *generation) nextFence() string {
	next := &generation{name: g.name}
	next.fences.Store(g.fences.Load() + 1)
	return next.fence()
}

// Join implements [reindex.Joiner]. A process that has joined cannot start a new generation. If a product has a field
// that must be in the mappings from the start (see [DefaultMappings]), the Writer rejects the product.
func (ix *Index) Join(ctx context.Context, tenant, generation string) (reindex.Writer, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, err
	}
	n := ix.names(tenant)
	j := &joined{writer{ix: ix, tenant: tenant, index: generation, alias: generation + writeMark, live: true}}
	if !isGeneration(n.live, generation) {
		return nil, j.fenced()
	}
	entries, err := ix.look(ctx, generation)
	if err != nil {
		return nil, err
	}
	e := entries[generation]
	token, _ := reindex.Fence(ctx)
	if _, open := e.Aliases[j.writer.alias]; !open || token < e.token(generation) {
		return nil, j.fenced()
	}
	if m := e.Mappings.Meta.Mark; m != nil {
		j.writer.unsearched = m.Unsearched
	}
	return j, nil
}

// joined writes to a generation that another process has begun, until that process ends the load.
type joined struct{ writer writer }

func (j *joined) fenced() error {
	return fmt.Errorf("esindex: index %s accepts no more products: %w", j.writer.index, reindex.ErrFenced)
}

// Write implements [reindex.Writer].
func (j *joined) Write(ctx context.Context, batch []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sent, unfit := admit(batch)
	err := j.writer.write(ctx, sent, unfit)
	if hasType(err, typeNotFound) {
		return fmt.Errorf("%w: %w", j.fenced(), err)
	}
	return err
}

// Flush implements [reindex.Writer]. It has nothing to wait for, since the answer to a write has the result of each
// product.
func (j *joined) Flush(ctx context.Context) ([]reindex.ItemError, error) { return nil, ctx.Err() }

// Resume implements [reindex.Resumer]. A generation that was begun without a fencing token cannot be resumed.
func (ix *Index) Resume(ctx context.Context, tenant, name string) (reindex.Generation, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, err
	}
	g := &generation{ix: ix, names: ix.names(tenant), name: name}
	g.token, _ = reindex.Fence(ctx)
	entries, err := ix.look(ctx, g.names.live, g.names.live+"-*")
	if err != nil {
		return nil, err
	}
	e, exists := entries[name]
	if err := g.resumable(e, exists); err != nil {
		return nil, err
	}
	delete(entries, name)
	g.before = g.names.behind(entries)
	if newer := g.newer(g.names.marked(entries)); newer != "" {
		return nil, fmt.Errorf("esindex: index %s: %w: its index is %s", name, reindex.ErrFenced, newer)
	}
	m := e.Mappings.Meta.Mark
	g.templated, g.restore, g.unsearched, g.documents = m.Load.Templated, m.Load.Restore, m.Unsearched, m.Documents
	if err := g.seize(ctx, e); err != nil {
		return nil, err
	}
	ix.setOpen(name, true)
	if err := g.writeMark(ctx); err != nil {
		ix.setOpen(name, false)
		return nil, err
	}
	g.pulse.start(ix.cfg.ReapAfter/4, g.showLife) //nolint:contextcheck // the generation outlives ctx
	return g, nil
}

// resumable returns an error if the index cannot be resumed.
func (g *generation) resumable(e entry, exists bool) error {
	m := e.Mappings.Meta.Mark
	ours := exists && m != nil && m.Prefix == g.names.prefix && m.Tenant == g.names.tenant &&
		isGeneration(g.names.live, g.name)
	switch {
	case ours && (e.published(g.names, g.name) || e.isKept(g.names)):
		return fmt.Errorf("esindex: index %s: %w", g.name, reindex.ErrCommitted)
	case !ours || !e.fenced(g.name) || m.Load == nil:
		return fmt.Errorf("esindex: index %s: %w", g.name, reindex.ErrNoGeneration)
	case g.token <= e.token(g.name):
		return fmt.Errorf("esindex: index %s, fencing token %d: %w", g.name, g.token, reindex.ErrFenced)
	}
	return nil
}

// seize makes this process the owner of the generation, in one step: it replaces the run alias and the last fence. From
// then on, every call of the earlier owner that removes one of them fails. Writers that have joined can continue.
func (g *generation) seize(ctx context.Context, e entry) error {
	actions := []action{addAlias(g.name, g.run(), hiddenDefinition())}
	for alias := range e.Aliases {
		if strings.HasPrefix(alias, g.name+runMark) {
			actions = append(actions, removeAlias(g.name, alias))
		}
		if text, ok := strings.CutPrefix(alias, g.name+commitMark); ok {
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil {
				continue
			}
			g.fences.Store(int32(n))
			next := g.nextFence()
			g.fences.Add(1)
			actions = append(actions, removeAlias(g.name, alias), addAlias(g.name, next, hiddenDefinition()))
		}
	}
	err := g.ix.updateAliases(ctx, "resuming index "+g.name, actions)
	if hasStatus(err, http.StatusNotFound) {
		return reindex.Temporary(err) // it became live, was deleted, or was resumed by another process meanwhile
	}
	return err
}

// Leave implements [reindex.Leaver].
func (g *generation) Leave(ctx context.Context) error {
	g.end()
	return ctx.Err()
}
