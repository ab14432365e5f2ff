package meiliindex

import (
	"context"
	"fmt"

	"productindex/reindex"
)

var _ reindex.Leaver = (*generation)(nil)

// Resume implements [reindex.Resumer]. A generation that was begun without a fencing token cannot be resumed.
//
// The mark of the process that has had the generation is deleted, without which that one can neither publish nor
// discard it. Processes that have joined go on: the index keeps its name for as long as it is loaded.
func (ix *Index) Resume(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, fmt.Errorf("meiliindex: %w", err)
	}
	g, err := ix.resume(ctx, tenant, generation)
	if err != nil {
		return nil, err // not g: a nil *generation is not a nil Generation
	}
	return g, nil
}

func (ix *Index) resume(ctx context.Context, tenant, name string) (*generation, error) {
	token, fenced, err := ix.ready(ctx)
	if err != nil {
		return nil, err
	}
	s, err := ix.resumable(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	if owner := ix.owner(tenant, s.stagingName); !fenced || owner != nil && owner.id.token >= token {
		return nil, fmt.Errorf("meiliindex: generation %s of tenant %q, token %d: %w", name, tenant, token,
			reindex.ErrFenced)
	}
	all, err := ix.list(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := ix.checkToken(tenant, "", token, all); err != nil {
		return nil, err
	}
	g := ix.newGeneration(tenant, token)
	g.created, g.uid, g.writer.docs.uid = s.created, s.uid, s.uid
	g.resumes = ix.stagingUID(tenant, s.base())
	ix.register(g.resumes, g)
	if err := g.seize(ctx, s); err != nil {
		g.unregister()
		return nil, err
	}
	return g, nil
}

// resumable returns the index of a generation that can be resumed.
func (ix *Index) resumable(ctx context.Context, tenant, name string) (s staging, err error) {
	all, err := ix.list(ctx, tenant)
	if err != nil {
		return s, err
	}
	s, found := generationOf(all, name)
	_, kept := s.kept()
	if !found || kept {
		live, err := ix.getIndex(ctx, ix.LiveUID(tenant))
		if err != nil {
			return s, err
		}
		if kept || live != nil && generationName(live.CreatedAt) == name {
			return s, fmt.Errorf("meiliindex: generation %s of tenant %q: %w", name, tenant, reindex.ErrCommitted)
		}
	}
	if !found || s.token == noToken {
		return s, fmt.Errorf("meiliindex: generation %s of tenant %q: %w", name, tenant, reindex.ErrNoGeneration)
	}
	return s, nil
}

// seize makes the generation this process's: it leaves its own mark and deletes those of the processes before. Their
// tasks until then come first, so that the index may be live or elsewhere afterwards.
func (g *generation) seize(ctx context.Context, s staging) error {
	if err := g.leaveMark(ctx); err != nil {
		return err
	}
	if err := g.overtake(ctx, g.mark, staging.isMark); err != nil {
		return err
	}
	index, err := g.ix.getIndex(ctx, s.uid)
	if err != nil {
		return err
	}
	if !g.isFilled(index) {
		if _, err := g.ix.resumable(ctx, g.tenant, g.Name()); err != nil {
			return err
		}
		return reindex.Temporary(fmt.Errorf("meiliindex: generation %s of tenant %q has got another name meanwhile",
			g.Name(), g.tenant))
	}
	if !s.isClosed() {
		return nil
	}
	return g.close(ctx) // edits that the process before sends late go to the name before
}

// Leave implements [reindex.Leaver].
func (g *generation) Leave(ctx context.Context) error {
	g.unregister()
	return ctx.Err()
}
