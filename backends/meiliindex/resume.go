package meiliindex

import (
	"context"
	"fmt"

	"productindex/reindex"
)

var _ reindex.Leaver = (*generation)(nil)

// Resume implements [reindex.Resumer]. A generation that was begun without a fencing token cannot be resumed.
//
// Resume deletes the mark of the earlier owner of the generation, which can then neither commit nor abort it. Processes
// that have joined can continue, since the uid of the index does not change during the load.
func (ix *Index) Resume(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	return opened(ix.resume(ctx, tenant, generation))
}

func (ix *Index) resume(ctx context.Context, tenant, name string) (*generation, error) {
	token, fenced, err := ix.ready(ctx, tenant)
	if err != nil {
		return nil, err
	}
	s, err := ix.resumable(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	if owner := ix.owner(tenant, s.stagingName); !fenced || owner != nil && owner.id.token >= token {
		return nil, fmt.Errorf("meiliindex: generation %s of tenant %q, fencing token %d: %w", name, tenant, token,
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

// resumable returns the index of the generation with that name, or an error if the generation cannot be resumed.
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

// seize makes this process the owner of the generation: it creates its own mark and deletes those of earlier owners.
// The server processes their earlier tasks first, so the index may have become live or have another uid by then.
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
		return reindex.Temporary(fmt.Errorf("meiliindex: generation %s of tenant %q was given another uid meanwhile",
			g.Name(), g.tenant))
	}
	if !s.isClosed() {
		return nil
	}
	return g.close(ctx) // late edits of the earlier owner go to the former uid
}

// Leave implements [reindex.Leaver].
func (g *generation) Leave(ctx context.Context) error {
	g.unregister()
	return ctx.Err()
}
