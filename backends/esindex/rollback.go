package esindex

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"productindex/reindex"
)

// noPreviousError is the error of a Rollback without a generation to go back to.
type noPreviousError struct{ tenant string }

// Error names the tenant, and what keeps generations.
func (e *noPreviousError) Error() string {
	return "esindex: tenant " + e.tenant + ": no index is kept to go back to; Config.KeepPrevious keeps the one before"
}

// Is reports whether target is [reindex.ErrNoLiveIndex].
func (e *noPreviousError) Is(target error) bool { return target == reindex.ErrNoLiveIndex }

// Rollback makes the generation live again that was live before, in one atomic call, and keeps the present one in its
// place: a second Rollback undoes the first. It needs Config.KeepPrevious, and returns an error that matches
// [reindex.ErrNoLiveIndex] if nothing was kept. If the generation that was kept cannot be searched, as it is closed or
// lacks shards, it returns an error and changes nothing. A run of the tenant that is in progress fails when it ends. It
// is safe to call at any time.
func (ix *Index) Rollback(ctx context.Context, tenant string) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		return err
	}
	n := ix.names(tenant)
	kept, err := ix.look(ctx, n.kept)
	if err != nil {
		return err
	}
	live, err := ix.behind(ctx, n)
	if err != nil {
		return err
	}
	maps.DeleteFunc(kept, func(index string, _ entry) bool { // somebody has gone back already
		_, isLive := live.indexes[index]
		return isLive
	})
	switch {
	case live.concrete:
		return fmt.Errorf("esindex: there is an index of the name %s, where the alias has to be; delete it first", n.live)
	case len(kept) == 0:
		return &noPreviousError{tenant}
	case len(kept) > 1:
		return fmt.Errorf("esindex: tenant %s: alias %s names several indexes to go back to, %v; take it from all but one",
			tenant, n.kept, slices.Sorted(maps.Keys(kept)))
	}
	index := slices.Collect(maps.Keys(kept))[0]
	if _, err := ix.count(ctx, index); err != nil {
		return fmt.Errorf("esindex: tenant %s cannot go back to index %s, which does not answer searches, and nothing was changed: %w", tenant, index, err)
	}
	actions, err := planBack(n, live, index)
	if err != nil {
		return err
	}
	return ix.updateAliases(ctx, "switching alias "+n.live+" back to index "+index, actions)
}

// planBack moves the aliases from what is live to index.
func planBack(n names, live target, index string) ([]action, error) {
	definition, err := live.definition(n)
	if err != nil {
		return nil, err
	}
	actions := []action{removeAlias(index, n.kept)}
	for _, stray := range live.stray {
		if stray != index {
			actions = append(actions, dropAlias(stray, n.live))
		}
	}
	for _, present := range live.sorted() {
		actions = append(actions, removeAlias(present, n.live), addAlias(present, n.kept, hiddenDefinition()))
		if !isGeneration(n.live, present) {
			continue
		}
		for alias, d := range live.indexes[present].further(n, present) {
			actions = append(actions, removeAlias(present, alias), addAlias(index, alias, d))
		}
	}
	return append(actions, addAlias(index, n.live, definition)), nil
}
