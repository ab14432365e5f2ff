package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"productindex/reindex"
)

var _ reindex.Rollbacker = (*Index)(nil)

// Generations implements [reindex.Rollbacker]. The number of products of each generation, and whether it was edited,
// come from its mark, which may be slightly out of date after a power cut.
func (ix *Index) Generations(ctx context.Context, tenant string) ([]reindex.GenerationInfo, error) {
	infos, err := ix.generations(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: list the generations of tenant %q: %w", tenant, err)
	}
	return infos, nil
}

func (ix *Index) generations(ctx context.Context, name string) (infos []reindex.GenerationInfo, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := ix.tenant(name, false)
	if errors.Is(err, reindex.ErrNoLiveIndex) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	p, err := readPointer(t.dir)
	t.mu.Unlock()
	if errors.Is(err, reindex.ErrNoLiveIndex) || errors.Is(err, reindex.ErrDamaged) && p.generation != "" {
		err = nil // without a live generation there may still be kept ones
	}
	if err != nil {
		return nil, err
	}
	listed := slices.Insert(ix.cfg.keeps(p.kept, time.Now()), 0, kept{generation: p.generation})
	for i, k := range listed {
		info, err := t.describe(k)
		if errors.Is(err, fs.ErrNotExist) || k.generation == "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		info.Live = i == 0
		infos = append(infos, info)
	}
	return infos, nil
}

// describe returns the description of a generation from its files.
func (t *tenant) describe(k kept) (reindex.GenerationInfo, error) {
	dir := filepath.Join(t.dir, k.generation)
	m := readMark(dir)
	info := reindex.GenerationInfo{
		Name: k.generation, Replaced: k.replaced, Documents: m.documents, Edited: m.edited,
		Created: bornAt(k.generation),
	}
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && entry != nil {
			return nil // bleve has merged it meanwhile
		}
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := entry.Info()
		if err == nil {
			info.Bytes += file.Size()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return info, err
}

// Rollback implements [reindex.Rollbacker]. It waits for the last searches of the kept generation, checks its files,
// and opens it.
func (ix *Index) Rollback(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	g, err := ix.rollback(ctx, tenant, generation)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: cannot roll back to generation %q of tenant %q: %w", generation, tenant, err)
	}
	return g, nil
}

func (ix *Index) rollback(ctx context.Context, name, generation string) (*generation, error) {
	if err := errors.Join(ctx.Err(), ix.writable()); err != nil {
		return nil, err
	}
	t, err := ix.tenant(name, false)
	if errors.Is(err, reindex.ErrNoLiveIndex) {
		return nil, reindex.ErrNoPrevious
	}
	if err != nil {
		return nil, err
	}
	token, _ := reindex.Fence(ctx)
	found, err := t.claimKept(ctx, generation, token)
	if err != nil {
		return nil, err
	}
	g, err := t.openKept(ctx, found, token)
	if err != nil {
		t.mu.Lock()
		t.yield(token)
		t.unuse(found)
		t.mu.Unlock()
		return nil, explain(t.dir, err)
	}
	return g, nil
}

// claimKept finds a kept generation, waits until it is not in use, and marks it as in use. It ends earlier rollbacks to
// it.
func (t *tenant) claimKept(ctx context.Context, generation string, token int64) (string, error) {
	for {
		found, others, err := t.tryKept(generation, token)
		if err != nil || found != "" && others == nil {
			return found, err
		}
		for _, g := range others {
			g.mu.Lock()
			err := g.letGo()
			g.mu.Unlock()
			if err != nil {
				return "", err
			}
		}
		if err := t.awaitUnused(ctx, []string{found}); err != nil {
			return "", err
		}
	}
}

// tryKept is one attempt of claimKept. If the generation is in use, others is not nil and holds the earlier rollbacks
// to it.
func (t *tenant) tryKept(wanted string, token int64) (found string, others []*generation, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return "", nil, ErrClosed
	}
	if err := t.passes(token); err != nil {
		return "", nil, err
	}
	p, err := readPointer(t.dir)
	if err != nil && !errors.Is(err, reindex.ErrNoLiveIndex) && p.generation == "" {
		return "", nil, err
	}
	if wanted != "" && wanted == p.generation {
		return "", nil, reindex.ErrCommitted
	}
	for _, k := range t.ix.cfg.keeps(p.kept, time.Now()) {
		if wanted == "" || k.generation == wanted {
			found = k.generation
			break
		}
	}
	if found == "" {
		return "", nil, reindex.ErrNoPrevious
	}
	if _, err := os.Stat(filepath.Join(t.dir, found)); errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%w: %s was removed from the disk", reindex.ErrNoPrevious, found)
	}
	if !t.busy[found] {
		t.busy[found] = true
		t.take(token)
		return found, nil, nil
	}
	others = []*generation{}
	for g := range t.gens {
		if g.name == found {
			others = append(others, g)
		}
	}
	return found, others, nil
}

// openKept checks the files of a kept generation and opens it.
func (t *tenant) openKept(ctx context.Context, name string, token int64) (*generation, error) {
	dir := filepath.Join(t.dir, name)
	if err := verify(ctx, dir); err != nil {
		return nil, err
	}
	opened, n, err := openForSearch(dir)
	if err != nil {
		return nil, err
	}
	m := readMark(dir)
	err = checkDocuments(opened, n, m.documents)
	var mp *mapper
	if err == nil {
		mp, err = newLiveIndex(t, opened, name).newMapper()
	}
	if err != nil {
		return nil, errors.Join(err, closeIndex(opened))
	}
	g := &generation{
		t: t, tenant: t.name, name: name, dir: dir, token: token, mapper: mp,
		state: sealed, index: opened, documents: n, edited: m.edited, previous: true,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errors.Join(ErrClosed, closeIndex(opened))
	}
	t.gens[g] = struct{}{}
	return g, nil
}

// recount is Seal for a kept generation: only the live documents are counted again.
func (g *generation) recount(ctx context.Context) (reindex.Sealed, error) {
	live, err := g.t.documents(ctx)
	if err != nil {
		err = fmt.Errorf("bleveindex: count the live documents of tenant %q: %w", g.tenant, err)
	}
	return reindex.Sealed{Documents: g.documents, Live: live, LiveErr: err, Ignored: -1}, ctx.Err()
}

// letGo closes a kept generation without a switch; it stays kept. g.mu is held.
func (g *generation) letGo() error {
	if g.state == discarded {
		return nil
	}
	g.state = discarded
	err := closeIndex(g.index)
	g.index = nil
	if failed := g.t.ix.disk.noteMark(g.dir, liveMark(g.documents, g.edited)); failed != nil {
		g.t.ix.cfg.Logger.Warn("cannot store the number of documents in the mark", "dir", g.t.dir, "generation", g.name,
			"error", failed)
	}
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	delete(g.t.gens, g)
	g.t.yield(g.token)
	g.t.unuse(g.name)
	return err
}
