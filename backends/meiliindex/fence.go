package meiliindex

import (
	"context"
	"fmt"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// A run with a fencing token leaves a mark, an empty index that bears the token in its uid. The mark stays when the run
// is over, so that the greatest token of a tenant is known from then on. The task that makes a generation live also
// renames its mark, and the server does both or neither: a newer run, which deletes the marks of older ones, thereby
// keeps their generations from going live.

// checkToken refuses a token that is not greater than that of every other generation among those found.
func (ix *Index) checkToken(tenant, uid string, token int64, all []staging) error {
	for _, s := range all {
		mine := s.uid == uid || s.instance == ix.instance && !ix.isOpen(tenant,
			s.stagingName) // what an earlier try of this run has left
		if s.token == noToken || s.token < token || s.token == token && mine {
			continue
		}
		return fmt.Errorf("meiliindex: tenant %q: %w: the token of this run is %d, that of index %s is %d; if the tokens were set back, delete "+
			"that index", tenant, reindex.ErrFenced, token, s.uid, s.token)
	}
	return nil
}

// takeOver makes sure that no generation with a smaller token can go live any more, and that there is none with a
// greater or an equal one. A run calls it after it has left its own mark, so that of two runs at least one sees the
// other.
func (g *generation) takeOver(ctx context.Context) error {
	return g.overtake(ctx, g.uid, func(s staging) bool {
		_, kept := s.kept()
		return !kept
	})
}

// overtake deletes those indexes of runs with smaller tokens that it is asked to. own is the uid of one that the run
// has left itself. An index that was listed can get another name before the deletion. So overtake looks
// again until it has deleted all that it saw.
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

// swaps are the changes of names that make the generation live.
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
		err = fmt.Errorf("meiliindex: index %s of tenant %q does not go live: its mark is gone: %w", g.uid, g.tenant,
			reindex.ErrFenced)
	}
	return err
}
