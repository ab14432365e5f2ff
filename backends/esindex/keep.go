package esindex

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keeping is the content of the alias that makes a replaced generation a kept one. The switch that replaces the
// generation adds the alias, so the record exists from that step on, even if the index no longer accepts writes.
type keeping struct {
	alias     string
	replaced  time.Time
	documents int64 // the number of products when it was replaced; -1: not known, or edited since
}

// keptAlias returns the name of the alias with a record of when a generation was replaced, and how many products it
// held.
func (n names) keptAlias(replaced time.Time, documents int64) string {
	count := ""
	if documents >= 0 {
		count = strconv.FormatInt(documents, tokenBase)
	}
	return n.kept + strconv.FormatInt(replaced.UnixMilli(), tokenBase) + "." + count
}

// keeping returns the record in the index's alias, if the index is kept.
func (e entry) keeping(n names) (keeping, bool) {
	for alias := range e.Aliases {
		text, ok := strings.CutPrefix(alias, n.kept)
		if !ok {
			continue
		}
		when, count, _ := strings.Cut(text, ".")
		milli, err := strconv.ParseInt(when, tokenBase, 64)
		if err != nil {
			continue
		}
		documents, err := strconv.ParseInt(count, tokenBase, 64)
		if err != nil {
			documents = -1
		}
		return keeping{alias, time.UnixMilli(milli).UTC(), documents}, true
	}
	return keeping{}, false
}

// isKept reports whether the index is a kept generation.
func (e entry) isKept(n names) bool {
	_, ok := e.keeping(n)
	return ok
}

// keptIndex is the index of a kept generation.
type keptIndex struct {
	keeping

	index string
	entry entry
}

// keptAmong returns those of the indexes that are kept and not live, the latest replaced first.
func (n names) keptAmong(entries map[string]entry) (all []keptIndex) {
	for index, e := range entries {
		if k, ok := e.keeping(n); ok && !e.published(n, index) {
			all = append(all, keptIndex{k, index, e})
		}
	}
	slices.SortFunc(all, func(a, b keptIndex) int {
		return cmp.Or(b.replaced.Compare(a.replaced), strings.Compare(b.index, a.index))
	})
	return all
}

// kept returns the tenant's kept indexes, the latest replaced first.
func (ix *Index) kept(ctx context.Context, n names) ([]keptIndex, error) {
	entries, err := ix.look(ctx, n.live, n.live+"-*")
	return n.keptAmong(entries), err
}

// beyond returns those of the kept indexes that are older than Config.KeepFor or come after the first limit ones,
// except for those that a rollback has open.
func (ix *Index) beyond(all []keptIndex, limit int) (out []keptIndex) {
	for i, k := range all {
		old := ix.cfg.KeepFor > 0 && ix.now().Sub(k.replaced) >= ix.cfg.KeepFor
		if (old || i >= limit) && !ix.isOpen(k.index) {
			out = append(out, k)
		}
	}
	return out
}

// release removes the kept alias of each index that Config no longer keeps, and returns the names of these indexes.
func (ix *Index) release(ctx context.Context, n names) (released []string, err error) {
	all, err := ix.kept(ctx, n)
	if err != nil {
		return nil, err
	}
	for _, k := range ix.beyond(all, ix.cfg.KeepPrevious) {
		what := "releasing kept index " + k.index
		if err := ix.updateAliases(ctx, what, []action{dropAlias(k.index, k.alias)}); err != nil {
			return released, err
		}
		released = append(released, k.index)
	}
	return released, nil
}

// planKept adds the actions that turn the live indexes into kept ones, and that release the kept ones beyond limit.
func (g *generation) planKept(ctx context.Context, now target, limit int, s *switchOver) error {
	if limit == 0 {
		s.retired = now.sorted()
		return nil
	}
	all, err := g.ix.kept(ctx, g.names)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(k keptIndex) bool { return k.index == g.name })
	replaced := g.ix.now()
	if len(all) > 0 && !replaced.After(all[0].replaced) {
		replaced = all[0].replaced.Add(time.Millisecond) // keep the order, even if the clocks of two processes differ
	}
	for _, k := range g.ix.beyond(all, max(0, limit-len(now.indexes))) {
		s.actions = append(s.actions, dropAlias(k.index, k.alias))
		s.retired = append(s.retired, k.index)
	}
	for _, index := range now.sorted() {
		if k, before := now.indexes[index].keeping(g.names); before {
			s.actions = append(s.actions, dropAlias(index, k.alias)) // somebody has made it live again
		}
		alias := g.names.keptAlias(replaced, g.ix.countToKeep(ctx, index))
		s.actions = append(s.actions, addAlias(index, alias, hiddenDefinition()))
	}
	return nil
}

// countToKeep returns the number of products in an index that is about to be replaced, or -1 if it cannot be counted.
func (ix *Index) countToKeep(ctx context.Context, index string) int64 {
	err := ix.refresh(ctx, index)
	if err == nil {
		var count int64
		if count, err = ix.count(ctx, index); err == nil {
			return count
		}
	}
	ix.cfg.Logger.WarnContext(ctx, "cannot count the live index; it is kept without a number of products", "index",
		index, "error", err)
	return -1
}

// holds returns an error if the index cannot be searched, or holds fewer products than when it was replaced. It takes
// the result of count.
func (k *keptIndex) holds(count int64, err error) error {
	switch {
	case hasType(err, "index_closed_exception"):
		return fmt.Errorf("it is closed; open it first: %w", permanent(err))
	case err != nil && !uncountable(err):
		return err
	case hasType(err, typeBlocked):
		return fmt.Errorf("it is blocked for searches: %w", permanent(err))
	case err != nil:
		return damaged(permanent(err))
	case count < k.documents:
		return damaged(fmt.Errorf("it holds %d products, and held %d when it was replaced", count, k.documents))
	}
	return nil
}
