package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"productindex/reindex"
)

// Begin implements [reindex.Indexer]. It creates a new bleve index on the disk. If ctx has a fencing token, the error
// matches [reindex.ErrFenced] unless the token is greater than those of all earlier runs; the run with the greatest
// token may begin again after an Abort. Tokens are remembered only until Close, since no other process can have a
// generation in the directory.
func (ix *Index) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	g, err := ix.begin(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("bleveindex: cannot begin a generation of tenant %q: %w", tenant, err)
	}
	return g, nil
}

func (ix *Index) begin(ctx context.Context, name string) (*generation, error) {
	if err := errors.Join(ctx.Err(), ix.writable()); err != nil {
		return nil, err
	}
	t, err := ix.tenant(name, true)
	if err != nil {
		return nil, err
	}
	m, err := ix.cfg.mappingOf(name)
	if err != nil {
		return nil, err
	}
	g := &generation{t: t, tenant: name, name: newGenerationName(), mapper: ix.cfg.newMapper(m)}
	g.token, _ = reindex.Fence(ctx)
	g.dir = filepath.Join(t.dir, g.name)
	if err := t.create(g); err != nil {
		return nil, explain(t.dir, err)
	}
	return g, nil
}

// create makes the directory and the index of a generation, and marks it as never live.
func (t *tenant) create(g *generation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if err := t.passes(g.token); err != nil {
		return err
	}
	disk := t.ix.disk
	err := disk.makeDir(t.dir)
	if err == nil {
		err = os.Mkdir(g.dir, 0o700)
	}
	if err == nil {
		err = disk.writeMark(g.dir, markLoading)
	}
	if err == nil {
		g.index, err = createForLoading(g.dir, g.mapper.mapping)
	}
	if err != nil {
		return errors.Join(err, disk.remove(g.dir))
	}
	t.take(g.token)
	t.busy[g.name] = true
	t.gens[g] = struct{}{}
	return nil
}

// passes returns an error that matches [reindex.ErrFenced] if a run with the same or a greater token has begun, unless
// that was this run itself and it may begin again. t.mu is held.
func (t *tenant) passes(token int64) error {
	if own := token == t.token && t.again; token > 0 && token <= t.token && !own {
		return fmt.Errorf("the run has fencing token %d, and a run with token %d has begun: %w", token, t.token,
			reindex.ErrFenced)
	}
	return nil
}

// take records that the run with a token has begun. t.mu is held.
func (t *tenant) take(token int64) {
	if token > 0 {
		t.token, t.again = token, false
	}
}

// yield records that the run with a token no longer has a generation, and may begin again. t.mu is held.
func (t *tenant) yield(token int64) {
	t.again = t.again || token > 0 && token == t.token
}
