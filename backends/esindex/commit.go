package esindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// Commit implements [reindex.Generation]. It fails where something else has become live since Begin; an index that a stray write
// has created under the alias's name is replaced. The index that was live is deleted, unless it is none of ours.
func (g *generation) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.committed.Load() {
		return nil
	}
	previous, err := g.previous(ctx)
	if err != nil {
		return err
	}
	err = g.swap(ctx, previous)
	if hasType(err, "invalid_alias_name_exception") && len(g.live.indexes) == 0 && !g.live.concrete {
		g.live.concrete = true
		err = g.swap(ctx, previous)
	}
	if err != nil {
		if err = g.resolve(ctx, err); err != nil {
			return err
		}
	}
	g.committed.Store(true)
	g.end()
	g.ix.retire(ctx, g.alias, g.retired(previous))
	return nil
}

// previous returns what a host that keeps the previous generation has kept so far.
func (g *generation) previous(ctx context.Context) (target, error) {
	if !g.ix.cfg.KeepPrevious {
		return target{}, nil
	}
	return g.ix.behind(ctx, previousName(g.alias))
}

// retired are the indexes that the switch-over has put out of use.
func (g *generation) retired(previous target) []string {
	if g.ix.cfg.KeepPrevious {
		return previous.indexes
	}
	return g.live.indexes
}

// action is one action of a call of _aliases.
type action map[string]map[string]any

const keyIndex = "index"

func addAlias(index, alias string, hidden bool) action {
	// An alias can not have two write indexes: where another index got it meanwhile, the call fails.
	return action{"add": {keyIndex: index, "alias": alias, "is_write_index": !hidden, "is_hidden": hidden}}
}

func removeAlias(index, alias string) action {
	return action{"remove": {keyIndex: index, "alias": alias, "must_exist": true}}
}

// updateAliases makes one atomic call: all of the actions happen, or none.
func (ix *Index) updateAliases(ctx context.Context, what string, actions []action) error {
	var answer struct{ Acknowledged bool }
	err := call(ctx, ix.transport, what, esapi.IndicesUpdateAliasesRequest{Body: jsonBody(map[string]any{"actions": actions})}, &answer)
	if err == nil && !answer.Acknowledged {
		return reindex.Temporary(fmt.Errorf("elasticsearch: %s: not acknowledged in time", what))
	}
	return err
}

// swap moves the alias from what was live at Begin to the generation.
func (g *generation) swap(ctx context.Context, previous target) error {
	actions := []action{removeAlias(g.name, g.fence())}
	if g.live.concrete {
		actions = append(actions, action{"remove_index": {keyIndex: g.alias}})
	}
	for _, index := range g.live.indexes {
		actions = append(actions, removeAlias(index, g.alias))
	}
	if g.ix.cfg.KeepPrevious {
		for _, index := range previous.indexes {
			actions = append(actions, removeAlias(index, previousName(g.alias)))
		}
		for _, index := range g.live.indexes {
			actions = append(actions, addAlias(index, previousName(g.alias), true))
		}
	}
	actions = append(actions, addAlias(g.name, g.alias, false))
	return g.ix.updateAliases(ctx, "switching alias "+g.alias+" to index "+g.name, actions)
}

const (
	resolveTimeout  = 30 * time.Second
	resolveInterval = 100 * time.Millisecond
)

// resolve finds out what became of a switch-over that failed. It returns nil where it was applied, a [*reindex.TemporaryError] where
// it certainly was not, and can be tried again, and any other error where it can not, or where the server does not tell.
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
			return fmt.Errorf("%w; whether it was applied is unknown, the server did not tell within %v", permanent(failure), resolveTimeout)
		}
	}
}

// outcome asks whether the generation is live, and rules out that it becomes so through a call made before: it puts another fence in
// the place of the one that such a call needs.
func (g *generation) outcome(ctx context.Context) (applied, certain bool, err error) {
	found, err := g.ix.aliases(ctx, g.name)
	if err != nil {
		return false, false, err
	}
	aliases, exists := found[g.name]
	switch {
	case aliases[g.alias]:
		return true, true, nil
	case !exists:
		return false, true, nil
	}
	next := &generation{name: g.name}
	next.fences.Store(g.fences.Load() + 1)
	if !aliases[next.fence()] {
		err := g.ix.updateAliases(ctx, "fencing index "+g.name, []action{removeAlias(g.name, g.fence()), addAlias(g.name, next.fence(), true)})
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

// notApplied makes an error of the failure of a switch-over that certainly was not applied.
func (g *generation) notApplied(ctx context.Context, failure error) error {
	if g.token != 0 {
		if err := g.fenced(ctx); err != nil {
			return err
		}
	}
	now, err := g.ix.behind(ctx, g.alias)
	if err == nil && !now.same(g.live) {
		return fmt.Errorf("elasticsearch: alias %s stood for %v when the run began and stands for %v now: another run or someone else "+
			"has changed it, and it was left as it is: %w", g.alias, g.live, now, permanent(failure))
	}
	return failure
}

// fenced returns an error that matches [reindex.ErrFenced] where a run with a greater fencing token has begun: its index is there, or
// ours is not any more.
func (g *generation) fenced(ctx context.Context) error {
	marks, err := g.ix.marks(ctx, g.tenant)
	if err != nil {
		return err
	}
	_, exists := marks[g.name]
	greater := func(m found) bool { return m.Fence > g.token }
	if exists && !slices.ContainsFunc(slices.Collect(maps.Values(marks)), greater) {
		return nil
	}
	return fmt.Errorf("elasticsearch: index %s was not published: %w", g.name, reindex.ErrFenced)
}

// same reports whether both stand for the same.
func (t target) same(other target) bool {
	if t.concrete != other.concrete || len(t.indexes) != len(other.indexes) {
		return false
	}
	for _, index := range t.indexes {
		if !slices.Contains(other.indexes, index) {
			return false
		}
	}
	return true
}

// permanent strips the mark that a call can be made again.
func permanent(err error) error {
	if temporary := (*reindex.TemporaryError)(nil); errors.As(err, &temporary) {
		return temporary.Err
	}
	return err
}

// Abort implements [reindex.Generation].
func (g *generation) Abort(ctx context.Context) error {
	if g.committed.Load() {
		return nil
	}
	deleted, err := g.ix.discard(ctx, g.alias, g.name)
	if err != nil {
		return err
	}
	if !deleted {
		g.committed.Store(true)
	}
	g.end()
	return nil
}

// discard deletes a generation that is not live. Before, it removes the generation's fences, so that a switch-over still under way can
// not make it live. It reports false where the generation is live.
func (ix *Index) discard(ctx context.Context, alias, name string) (bool, error) {
	for {
		found, err := ix.aliases(ctx, name)
		aliases, exists := found[name]
		switch {
		case err != nil:
			return false, err
		case !exists:
			return true, nil
		case aliases[alias]:
			return false, nil
		}
		var fences []action
		for fence := range aliases {
			fences = append(fences, removeAlias(name, fence))
		}
		if len(fences) > 0 {
			err := ix.updateAliases(ctx, "fencing index "+name, fences)
			if hasStatus(err, http.StatusNotFound) {
				continue // it went live, or away, meanwhile
			}
			if err != nil {
				return false, err
			}
		}
		return true, ix.remove(ctx, name)
	}
}

// remove deletes an index, if it is there.
func (ix *Index) remove(ctx context.Context, name string) error {
	err := call(ctx, ix.transport, "deleting index "+name, esapi.IndicesDeleteRequest{Index: []string{name}}, nil)
	if hasType(err, "index_not_found_exception") {
		return nil
	}
	return err
}
