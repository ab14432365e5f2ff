package esindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"productindex/reindex"
)

// Commit implements [reindex.Generation]. It fails if something else has become live since Begin; an index that a stray
// write has created under the alias's name is replaced. Settings of others on the alias and on the live index go
// over to the new one: the alias's filter and routing, and further aliases. The index that was live stays until Abort.
func (g *generation) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.committed.Load() {
		return nil
	}
	if g.left {
		return fmt.Errorf("esindex: commit of index %s after it was left as it was", g.name)
	}
	if err := g.showEdits(ctx); err != nil {
		return err
	}
	s, err := g.plan(ctx)
	if err != nil {
		return err
	}
	if err := g.swap(ctx, s); err != nil {
		if err = g.resolve(ctx, err); err != nil {
			return err
		}
	}
	g.committed.Store(true)
	g.end()
	g.ix.forgetUnsearched(g.names.tenant)
	if g.before.concrete {
		g.ix.cfg.Logger.WarnContext(ctx, "the index in the place of the alias was deleted, the alias has replaced it",
			"index", g.names.live)
	}
	g.retired = s.retired
	return nil
}

// switchOver is what a switch does.
type switchOver struct {
	actions []action
	retired []string // the indexes that are out of use afterwards
}

// plan looks at the index that is live now, and works out the switch from there to the generation.
func (g *generation) plan(ctx context.Context) (switchOver, error) {
	now, err := g.ix.behind(ctx, g.names)
	if err != nil {
		return switchOver{}, err
	}
	delete(now.indexes, g.name) // somebody was faster than we are, the switch says so
	if now.concrete && len(g.before.indexes) == 0 {
		g.before.concrete = true
	}
	if err := errors.Join(g.ix.replaceable(g.names, now), g.unchanged(now)); err != nil {
		return switchOver{}, g.fencedOr(ctx, err)
	}
	s, limit := switchOver{actions: g.switchTo()}, g.ix.cfg.KeepPrevious
	if g.kept != nil {
		limit = max(1, limit)
	}
	if now.concrete {
		s.actions = append(s.actions, action{"remove_index": {keyIndex: g.names.live}})
	}
	if err := g.planAliases(now, &s); err != nil {
		return switchOver{}, err
	}
	return s, g.planKept(ctx, now, limit, &s)
}

// switchTo is what the switch does beside moving the aliases.
func (g *generation) switchTo() []action {
	switch {
	case g.kept != nil:
		return g.switchBack()
	case g.token > 0:
		return []action{removeAlias(g.name, g.fence()), removeAlias(g.name, g.run())}
	}
	return []action{removeAlias(g.name, g.fence())}
}

// unchanged returns an error if something else is live than at Begin.
func (g *generation) unchanged(now target) error {
	if now.same(g.before) {
		return nil
	}
	return reindex.Public(
		fmt.Errorf("esindex: alias %s stood for %v when the run began and stands for %v now: another run or someone else "+
			"has changed it, and it was left as it is", g.names.live, g.before, now),
		"another run or someone else has moved the tenant's alias since the run began, and it was left as it is")
}

// planAliases moves the tenant's alias, and those that others gave to the live index. An alias of the live index counts
// before one of a template, and one that the host names in its Config before both.
func (g *generation) planAliases(now target, s *switchOver) error {
	live, err := now.definition(g.names)
	if err != nil {
		return err
	}
	further := maps.Clone(g.templated)
	if further == nil {
		further = map[string]definition{}
	}
	for _, index := range now.stray {
		if index != g.name {
			s.actions = append(s.actions, dropAlias(index, g.names.live))
		}
	}
	for _, index := range now.sorted() {
		s.actions = append(s.actions, removeAlias(index, g.names.live))
		if !isGeneration(g.names.live, index) {
			continue // it stays, with its aliases
		}
		for alias, d := range now.indexes[index].further(g.names, index) {
			s.actions = append(s.actions, removeAlias(index, alias))
			further[alias] = d
		}
	}
	maps.Copy(further, g.ix.hostAliases(g.names.tenant))
	for _, alias := range slices.Sorted(maps.Keys(further)) {
		s.actions = append(s.actions, addAlias(g.name, alias, further[alias]))
	}
	s.actions = append(s.actions, addAlias(g.name, g.names.live, live))
	return nil
}

// hostAliases are the aliases that the host names in its Config, of this tenant.
func (ix *Index) hostAliases(tenant string) map[string]definition {
	found := map[string]definition{}
	for alias, d := range ix.aliases {
		found[expandAlias(alias, tenant)] = d
	}
	return found
}

// swap makes the switch.
func (g *generation) swap(ctx context.Context, s switchOver) error {
	return g.ix.updateAliases(ctx, "switching alias "+g.names.live+" to index "+g.name, s.actions)
}

const (
	resolveTimeout  = 30 * time.Second
	resolveInterval = 100 * time.Millisecond
)

// resolve finds out what became of a switch that failed. It returns nil if it was applied, a [*reindex.TemporaryError]
// if it certainly was not, and can be tried again, and any other error if it cannot, or if the server does not say.
func (g *generation) resolve(ctx context.Context, failure error) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveTimeout)
	defer cancel()
	tick := time.NewTicker(resolveInterval)
	defer tick.Stop()
	for {
		applied, certain, err := g.outcome(limited)
		switch {
		case err == nil && applied:
			return nil
		case err == nil && certain:
			return g.notApplied(limited, failure)
		case err != nil && !errors.As(err, new(*reindex.TemporaryError)):
			return fmt.Errorf("%w; whether it was applied is unknown: %w", permanent(failure), err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; whether it was applied is unknown: %w", permanent(failure), ctx.Err())
		case <-limited.Done():
			return fmt.Errorf("%w; whether it was applied is unknown, the server did not say within %v", permanent(failure),
				resolveTimeout)
		}
	}
}

// outcome asks whether the generation is live through our switch, and rules out that it becomes so through a call made
// before: it puts another fence in the place of the one that such a call needs.
func (g *generation) outcome(ctx context.Context) (applied, certain bool, err error) {
	entries, err := g.ix.look(ctx, g.name)
	if err != nil {
		return false, false, err
	}
	e, exists := entries[g.name]
	switch _, live := e.Aliases[g.names.live]; {
	case live && !e.fenced(g.name):
		return true, true, nil
	case !exists:
		return false, true, nil
	}
	if g.kept != nil && !e.fencedBy(g.fence(), g.nextFence()) {
		k, kept := e.keeping(g.names)
		g.left = true // another process goes back to it
		return kept && !k.replaced.Equal(g.kept.replaced), true, nil
	}
	if !e.fencedBy(g.nextFence()) {
		err := g.ix.updateAliases(ctx, "fencing index "+g.name,
			[]action{removeAlias(g.name, g.fence()), addAlias(g.name, g.nextFence(), hiddenDefinition())})
		if hasStatus(err, http.StatusNotFound) {
			return false, false, reindex.Temporary(err) // something has changed meanwhile
		}
		if err != nil {
			return false, false, err
		}
	}
	g.fences.Add(1)
	return false, true, nil
}

// notApplied makes an error of the failure of a switch that certainly was not applied. If an alias was given or taken
// away while the switch was planned, it can be planned again.
func (g *generation) notApplied(ctx context.Context, failure error) error {
	if err := g.fenced(ctx); err != nil {
		return err
	}
	now, err := g.ix.behind(ctx, g.names)
	if err != nil {
		return failure
	}
	if err := g.unchanged(now); err != nil {
		return fmt.Errorf("%w: %w", err, permanent(failure))
	}
	switch {
	case hasType(failure, "aliases_not_found_exception", "resource_not_found_exception"), hasType(failure,
		"invalid_alias_name_exception") && now.concrete != g.before.concrete:
		return reindex.Temporary(permanent(failure))
	}
	return failure
}

// fencedOr returns the error of a newer run that has taken over, or err if there is none.
func (g *generation) fencedOr(ctx context.Context, err error) error {
	if fenced := g.fenced(ctx); fenced != nil {
		return fenced
	}
	return err
}

// fenced returns an error that matches [reindex.ErrFenced] if a run with a fencing token that is not smaller has begun:
// its index is there, or ours is not any more.
func (g *generation) fenced(ctx context.Context) error {
	if g.token == 0 {
		return nil
	}
	marked, err := g.ix.marked(ctx, g.names)
	if err != nil {
		return err
	}
	e, exists := marked[g.name]
	if exists && !g.resumed(e) && g.newer(marked) == "" {
		return nil
	}
	return fmt.Errorf("esindex: index %s was not published: %w", g.name, reindex.ErrFenced)
}

// Abort implements [reindex.Generation]. After Commit it deletes the index that was live before, once no search uses it
// (see Config.RetireDelay), unless this package did not make that index, somebody gave an alias to it, or
// Config.KeepPrevious keeps it. Whatever becomes of it, the generation is not in use any more: what it fails to delete
// is left to Reap.
func (g *generation) Abort(ctx context.Context) error {
	switch {
	case g.committed.Load():
		g.ix.retire(ctx, g.names, g.retired)
		g.retired = nil
		return nil
	case g.kept != nil:
		return g.leave(ctx)
	}
	g.end()
	if g.token > 0 {
		entries, err := g.ix.look(ctx, g.name)
		if err != nil || g.resumed(entries[g.name]) {
			return err
		}
	}
	_, err := g.ix.discard(ctx, g.names, g.name)
	return err
}

// isBlocked reports whether an index is blocked, as on a full disk. Some servers then change no aliases of it, for a
// switch still under way neither, but delete it.
func isBlocked(err error) bool { return hasType(err, "cluster_block_exception") }

// discard deletes a generation that is not live. Before, it removes the generation's fences, so that a switch still
// under way cannot make it live. One that is live, or to which somebody gave an alias, stays. It reports whether the
// generation is gone.
func (ix *Index) discard(ctx context.Context, n names, index string) (bool, error) {
	for {
		entries, err := ix.look(ctx, index)
		e, exists := entries[index]
		switch {
		case err != nil:
			return false, err
		case !exists:
			return true, nil
		case e.published(n, index), e.isKept(n):
			return false, nil
		}
		var ours []action
		further := e.further(n, index)
		for alias := range e.Aliases {
			if _, theirs := further[alias]; !theirs {
				ours = append(ours, removeAlias(index, alias))
			}
		}
		if len(ours) > 0 {
			err := ix.updateAliases(ctx, "fencing index "+index, ours)
			if hasStatus(err, http.StatusNotFound) {
				continue // it went live, or away, meanwhile
			}
			if err != nil && !isBlocked(err) {
				return false, err
			}
		}
		if len(further) > 0 {
			ix.leaveTo(ctx, index, further)
			return false, nil
		}
		return true, ix.remove(ctx, index, "its run is over, and it is not live")
	}
}

// leaveTo logs why an index is not deleted.
func (ix *Index) leaveTo(ctx context.Context, index string, theirs map[string]definition) {
	ix.cfg.Logger.WarnContext(ctx, "an index that is out of use stays, as it bears an alias that somebody gave to it",
		"index", index, "aliases", slices.Sorted(maps.Keys(theirs)))
}
