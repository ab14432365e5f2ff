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

// Commit implements [reindex.Generation]. It fails if another index has become live since Begin. An index under the
// alias's own name, which a stray write has created, is replaced. The new index takes over the alias's filter and
// routing, and the further aliases of the live index. The replaced index stays until Abort.
func (g *generation) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.committed.Load() {
		return nil
	}
	if g.left {
		return fmt.Errorf("esindex: cannot commit index %s: its rollback has ended", g.name)
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
	g.ix.forgetLive(g.names.tenant)
	if g.before.concrete {
		g.ix.cfg.Logger.WarnContext(ctx, "deleted an index that had the name of the alias; the alias has replaced it",
			"index", g.names.live)
	}
	g.retired = s.retired
	return nil
}

// switchOver describes a switch.
type switchOver struct {
	actions []action
	retired []string // the indexes that are no longer used after the switch
}

// plan returns the switch from the index that is live now to the generation.
func (g *generation) plan(ctx context.Context) (switchOver, error) {
	now, err := g.ix.behind(ctx, g.names)
	if err != nil {
		return switchOver{}, err
	}
	delete(now.indexes, g.name) // if the generation is already live, the switch fails
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

// switchTo returns the actions that remove the fence and the run alias, or those of a rollback.
func (g *generation) switchTo() []action {
	switch {
	case g.kept != nil:
		return g.switchBack()
	case g.token > 0:
		return []action{removeAlias(g.name, g.fence()), removeAlias(g.name, g.run())}
	}
	return []action{removeAlias(g.name, g.fence())}
}

// unchanged returns an error if the alias points to other indexes than at Begin.
func (g *generation) unchanged(now target) error {
	if now.same(g.before) {
		return nil
	}
	return reindex.Public(
		fmt.Errorf("esindex: alias %s pointed to %v when the run began and points to %v now: another run or someone else "+
			"has moved it; this run changed nothing, so start it again", g.names.live, g.before, now),
		"another run or someone else has moved the tenant's alias since the run began; this run changed nothing, "+
			"so start it again")
}

// planAliases adds the actions that move the tenant's alias, and the aliases that others added to the live index. If an
// alias has several definitions, that of Config.Aliases wins over that of the live index, which wins over that of a
// template.
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
			continue // an index of someone else stays, with its aliases
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

// hostAliases returns the aliases of Config.Aliases for this tenant.
func (ix *Index) hostAliases(tenant string) map[string]definition {
	found := map[string]definition{}
	for alias, d := range ix.aliases {
		found[expandAlias(alias, tenant)] = d
	}
	return found
}

func (g *generation) swap(ctx context.Context, s switchOver) error {
	return g.ix.updateAliases(ctx, "switching alias "+g.names.live+" to index "+g.name, s.actions)
}

const (
	resolveTimeout  = 30 * time.Second
	resolveInterval = 100 * time.Millisecond
)

// resolve finds out whether a switch whose call failed was applied. It returns nil if the switch was applied, a
// [*reindex.TemporaryError] if it was not and can be tried again, and another error if it cannot be tried again or if
// the outcome stays unknown.
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
			return fmt.Errorf("%w; whether it was applied is unknown: the server did not answer within %v", permanent(failure),
				resolveTimeout)
		}
	}
}

// outcome reports whether our switch has made the generation live. If not, it replaces the fence that the failed call
// removes by another one, so that the call cannot be applied later.
func (g *generation) outcome(ctx context.Context) (applied, certain bool, err error) {
	entries, err := g.ix.look(ctx, g.name)
	if err != nil {
		return false, false, err
	}
	e, exists := entries[g.name]
	switch _, live := e.Aliases[g.names.live]; {
	case live && !e.fenced(g.name):
		return true, true, nil
	case !exists, g.kept == nil && !e.fenced(g.name): // without a fence no switch reaches it any more
		return false, true, nil
	}
	if g.kept != nil && !e.fencedBy(g.fence(), g.nextFence()) {
		k, kept := e.keeping(g.names)
		g.left = true // another process has begun a rollback to it
		return kept && !k.replaced.Equal(g.kept.replaced), true, nil
	}
	if !e.fencedBy(g.nextFence()) {
		err := g.ix.updateAliases(ctx, "fencing index "+g.name,
			[]action{removeAlias(g.name, g.fence()), addAlias(g.name, g.nextFence(), hiddenDefinition())})
		if hasStatus(err, http.StatusNotFound) {
			return false, false, reindex.Temporary(err) // the aliases have changed meanwhile
		}
		if err != nil {
			return false, false, err
		}
	}
	g.fences.Add(1)
	return false, true, nil
}

// notApplied returns the error of a switch that was not applied. The error is temporary if someone added or removed an
// alias while the switch was planned, since a new plan can succeed.
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

// fencedOr returns the error of fenced if a newer run has taken over, and err otherwise.
func (g *generation) fencedOr(ctx context.Context, err error) error {
	if fenced := g.fenced(ctx); fenced != nil {
		return fenced
	}
	return err
}

// fenced returns an error that matches [reindex.ErrFenced] if a run with the same or a greater fencing token has begun:
// there is a generation of that run, or ours is gone.
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
	return fmt.Errorf("esindex: index %s did not become live: %w", g.name, reindex.ErrFenced)
}

// Abort implements [reindex.Generation]. After Commit it deletes the index that was live before, once no search uses it
// (see Config.RetireDelay). That index stays if this package did not create it, if somebody added an alias to it, or if
// Config.KeepPrevious keeps it. Even if Abort fails, the generation is no longer in use, and a later Reap deletes the
// rest.
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

// isBlocked reports whether an index is blocked, for instance because the disk is full. Some servers then refuse to
// change its aliases, even for a switch still in progress, but let it be deleted.
func isBlocked(err error) bool { return hasType(err, "cluster_block_exception") }

// discard deletes a generation that is not live and reports whether it is gone. It first removes the generation's
// fences, so that a switch still in progress cannot make it live. A generation that is live or kept, or to which
// somebody added an alias, stays.
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
				continue // it became live or was deleted meanwhile
			}
			if err != nil && !isBlocked(err) {
				return false, err
			}
		}
		if len(further) > 0 {
			ix.leaveTo(ctx, index, further)
			return false, nil
		}
		return true, ix.remove(ctx, index, "its run has ended and it is not live")
	}
}

// leaveTo logs that an index is not deleted because of its aliases.
func (ix *Index) leaveTo(ctx context.Context, index string, theirs map[string]definition) {
	ix.cfg.Logger.WarnContext(ctx, "an unused index is not deleted, because somebody added an alias to it",
		"index", index, "aliases", slices.Sorted(maps.Keys(theirs)))
}
