package meiliindex

import (
	"context"
	"fmt"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// A run with a fencing token creates a mark, an empty index whose uid contains the token. The mark stays after the run,
// as a record of the tenant's greatest token. The task that makes a generation live also renames its mark, and the
// server does both or neither. So a newer run deletes the marks of older runs, whose generations then cannot become
// live.

// checkToken returns an error that matches [reindex.ErrFenced] if the token is not greater than the tokens of all other
// indexes in all. The index with this uid, and indexes that earlier attempts of this run have left, may have the same
// token.
func (ix *Index) checkToken(tenant, uid string, token int64, all []staging) error {
	for _, s := range all {
		mine := s.uid == uid || s.instance == ix.instance && !ix.isOpen(tenant, s.stagingName)
		if s.token == noToken || s.token < token || s.token == token && mine {
			continue
		}
		return fmt.Errorf("meiliindex: tenant %q: %w: the token of this run is %d, that of index %s is %d; "+
			"if the tokens were reset, delete that index", tenant, reindex.ErrFenced, token, s.uid, s.token)
	}
	return nil
}

// takeOver makes sure that no generation with a smaller token can become live any more. It returns an error that
// matches [reindex.ErrFenced] if there is one with the same or a greater token. A run calls it after it has created its
// own mark, so that of two runs at least one sees the other.
func (g *generation) takeOver(ctx context.Context) error {
	return g.overtake(ctx, g.uid, func(s staging) bool {
		_, kept := s.kept()
		return !kept
	})
}

// overtake deletes the indexes of runs with smaller tokens for which the function deletes returns true. The argument
// own is the uid of an index of this run. An index can get another uid between the listing and its deletion, so
// overtake repeats both until it has deleted every index that it listed.
func (g *generation) overtake(ctx context.Context, own string, deletes func(staging) bool) error {
	for {
		all, err := g.ix.list(ctx, g.tenant)
		if err != nil {
			return err
		}
		if err := g.ix.checkToken(g.tenant, own, g.id.token, all); err != nil {
			return err
		}
		var older []string
		for _, s := range all {
			if s.isOlder(g.id.token) && deletes(s) {
				older = append(older, s.uid)
			}
		}
		if removed, err := g.ix.remove(ctx, older...); err != nil || removed == len(older) {
			return err
		}
	}
}

// swaps returns the swaps that make the generation live and rename its mark, for one task.
func (g *generation) swaps(rename bool) []*meilisearch.SwapIndexesParams {
	swaps := []*meilisearch.SwapIndexesParams{{Indexes: []string{g.uid, g.live}, Rename: rename}}
	if g.id.token != noToken {
		spent := g.ix.stagingUID(g.tenant, markName(nobody, g.id.token, 0))
		swaps = append(swaps, &meilisearch.SwapIndexesParams{Indexes: []string{g.mark, spent}, Rename: true})
	}
	return swaps
}

// checkMark returns an error that matches [reindex.ErrFenced] if a newer run has taken over.
func (g *generation) checkMark(ctx context.Context) error {
	if g.id.token == noToken {
		return nil
	}
	mark, err := g.ix.getIndex(ctx, g.mark)
	if err == nil && mark == nil {
		err = fmt.Errorf("meiliindex: index %s of tenant %q cannot become live: its mark was deleted: %w", g.uid, g.tenant,
			reindex.ErrFenced)
	}
	return err
}
