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

// keeping is what an alias notes of a generation that was live and is kept. The switch that replaces the generation
// adds the alias, so that the note is there from that step on, also if nobody can write to the index any more.
type keeping struct {
	alias     string
	replaced  time.Time
	documents int64 // when it was replaced; -1: not known, or edited since
}

// keptAlias is the alias that notes it.
func (n names) keptAlias(replaced time.Time, documents int64) string {
	count := ""
	if documents >= 0 {
		count = strconv.FormatInt(documents, tokenBase)
	}
	return n.kept + strconv.FormatInt(replaced.UnixMilli(), tokenBase) + "." + count
}

// keeping returns the note of the index if it is kept.
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

// isKept reports whether the index is kept to go back to.
func (e entry) isKept(n names) bool {
	_, ok := e.keeping(n)
	return ok
}

// keptIndex is an index that is kept.
type keptIndex struct {
	keeping

	index string
	entry entry
}

// keptAmong returns those of the indexes that are kept and not live, the one that was replaced last first.
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

// kept returns the indexes that are kept.
func (ix *Index) kept(ctx context.Context, n names) ([]keptIndex, error) {
	entries, err := ix.look(ctx, n.live, n.live+"-*")
	return n.keptAmong(entries), err
}

// beyond returns those of the kept indexes that are too old, or more than limit. One that is open to go back to stays.
func (ix *Index) beyond(all []keptIndex, limit int) (out []keptIndex) {
	for i, k := range all {
		old := ix.cfg.KeepFor > 0 && ix.now().Sub(k.replaced) >= ix.cfg.KeepFor
		if (old || i >= limit) && !ix.isOpen(k.index) {
			out = append(out, k)
		}
	}
	return out
}

// release ends the keeping of the indexes that Config does not keep any longer, and returns their names.
func (ix *Index) release(ctx context.Context, n names) (released []string, err error) {
	all, err := ix.kept(ctx, n)
	if err != nil {
		return nil, err
	}
	for _, k := range ix.beyond(all, ix.cfg.KeepPrevious) {
		what := "ending the time for which index " + k.index + " is kept"
		if err := ix.updateAliases(ctx, what, []action{dropAlias(k.index, k.alias)}); err != nil {
			return released, err
		}
		released = append(released, k.index)
	}
	return released, nil
}

// planKept lets the indexes that are live become ones to go back to, up to limit, and takes older ones out of use.
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
		replaced = all[0].replaced.Add(time.Millisecond) // whatever the clocks say, it was replaced later
	}
	for _, k := range g.ix.beyond(all, max(0, limit-len(now.indexes))) {
		s.actions = append(s.actions, dropAlias(k.index, k.alias))
		s.retired = append(s.retired, k.index)
	}
	for _, index := range now.sorted() {
		if k, before := now.indexes[index].keeping(g.names); before {
			s.actions = append(s.actions, dropAlias(index, k.alias)) // somebody has put it live again
		}
		alias := g.names.keptAlias(replaced, g.ix.countToKeep(ctx, index))
		s.actions = append(s.actions, addAlias(index, alias, hiddenDefinition()))
	}
	return nil
}

// countToKeep returns how many products an index holds that is about to be replaced, -1 if that cannot be found out.
func (ix *Index) countToKeep(ctx context.Context, index string) int64 {
	err := ix.refresh(ctx, index)
	if err == nil {
		var count int64
		if count, err = ix.count(ctx, index); err == nil {
			return count
		}
	}
	ix.cfg.Logger.WarnContext(ctx, "the live index cannot be counted, it is kept as it is", "index", index, "error", err)
	return -1
}

// holds returns an error if the index does not answer searches, or has lost products since it was replaced.
func (k *keptIndex) holds(count int64, err error) error {
	switch {
	case hasType(err, "index_closed_exception"):
		return fmt.Errorf("it is closed, open it first: %w", permanent(err))
	case err != nil && !uncountable(err):
		return err
	case hasType(err, typeBlocked):
		return fmt.Errorf("it takes no searches: %w", permanent(err))
	case err != nil:
		return damaged(permanent(err))
	case count < k.documents:
		return damaged(fmt.Errorf("it holds %d products, and held %d when it was replaced", count, k.documents))
	}
	return nil
}
