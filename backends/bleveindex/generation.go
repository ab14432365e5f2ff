package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex"
)

// generation is a bleve index that a run fills, or a kept one that a rollback has opened.
type generation struct {
	t      *tenant
	tenant string
	name   string
	dir    string
	token  int64 // see reindex.Fence; 0 if the run has none
	mapper *mapper

	mu     sync.RWMutex // held for reading while a batch is written, for writing while the state changes
	state  state
	index  bleve.Index // open while the state is writing or sealed
	sealed reindex.Sealed

	documents int64 // the current number; set by Seal
	edited    bool
	previous  bool // it is a kept generation that a rollback has opened
}

type state int

const (
	writing state = iota
	sealed
	broken // sealing failed
	committed
	discarded
)

func (s state) String() string {
	return [...]string{"open for writing", "sealed", "broken", "committed", "discarded"}[s]
}

// Write implements [reindex.Writer]. It writes the products as one batch, which is on the disk when Write returns, and
// rejects those that cannot be mapped. The end of ctx does not interrupt a batch that bleve has begun to write.
func (g *generation) Write(ctx context.Context, products []reindex.Product) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.state != writing {
		return g.stateError("write to")
	}
	dictionary, err := g.mapper.learn(products)
	if err != nil {
		return g.writeError(len(products), err)
	}
	b := newBatch(g.mapper)
	defer b.end()
	if dictionary != nil {
		b.ops.SetInternal(dictionaryKey, dictionary)
	}
	for _, p := range products {
		b.upsert(p)
	}
	if err := b.write(ctx, g.index); err != nil {
		return g.writeError(len(products), err)
	}
	return b.failure()
}

// writeError adds to err that n products could not be written, unless err is the error of a context.
func (g *generation) writeError(n int, err error) error {
	if ctxErr := contextError(err); ctxErr != nil {
		return ctxErr
	}
	return fmt.Errorf("bleveindex: cannot write %d of the products of tenant %q to %s: %w",
		n, g.tenant, g.dir, explain(g.t.dir, err))
}

// Flush implements [reindex.Writer]. It has nothing to wait for, since Write returns when its batch is on the disk.
func (g *generation) Flush(ctx context.Context) ([]reindex.ItemError, error) { return nil, ctx.Err() }

// Name returns the name of the generation's directory.
func (g *generation) Name() string { return g.name }

// Seal implements [reindex.Generation]. It waits until everything is on the disk, and opens the index for searches.
// bleve then begins to merge segments in the background. Further calls return the same result.
func (g *generation) Seal(ctx context.Context) (reindex.Sealed, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == sealed && g.previous {
		return g.recount(ctx)
	}
	if g.state == sealed {
		return g.sealed, nil
	}
	if g.state != writing {
		return reindex.Sealed{}, g.stateError("seal")
	}
	if err := ctx.Err(); err != nil {
		return reindex.Sealed{}, err
	}
	documents, err := g.settle()
	if err != nil {
		g.state = broken
		return reindex.Sealed{}, fmt.Errorf("bleveindex: seal %s of tenant %q: %w", g.dir, g.tenant, explain(g.t.dir, err))
	}
	live, err := g.t.documents(ctx)
	if err != nil {
		err = fmt.Errorf("bleveindex: count the live documents of tenant %q: %w", g.tenant, err)
	}
	g.state, g.documents = sealed, documents
	g.sealed = reindex.Sealed{Documents: documents, Live: live, LiveErr: err}
	return g.sealed, nil
}

// settle closes the index, syncs its files, opens it for searches and counts its documents. After an error g.index is
// nil.
func (g *generation) settle() (int64, error) {
	loaded := g.index
	g.index = nil
	disk := g.t.ix.disk
	if err := errors.Join(closeIndex(loaded), disk.syncTree(g.dir), disk.syncDir(g.t.dir)); err != nil {
		return 0, err
	}
	searchable, n, err := openForSearch(g.dir)
	if err != nil {
		return 0, err
	}
	g.index = searchable
	return n, nil
}

// Abort implements [reindex.Generation]. It closes the generation and removes it from the disk, even if ctx has ended.
// A kept generation stays on the disk. After a Commit, Abort does nothing.
func (g *generation) Abort(context.Context) error {
	if err := g.discard(); err != nil {
		return fmt.Errorf("bleveindex: abort %s of tenant %q: %w", g.dir, g.tenant, err)
	}
	return nil
}

func (g *generation) discard() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == committed {
		return nil
	}
	if g.previous {
		return g.letGo()
	}
	g.state = discarded
	var err error
	if g.index != nil {
		err = closeIndex(g.index)
		g.index = nil
	}
	g.t.mu.Lock()
	delete(g.t.gens, g)
	g.t.yield(g.token)
	g.t.mu.Unlock()
	return errors.Join(err, g.t.discard(g.name))
}

// stateError returns the error of a call that the generation's state does not allow.
func (g *generation) stateError(what string) error {
	g.t.mu.Lock()
	closed := g.t.closed
	g.t.mu.Unlock()
	if closed {
		return fmt.Errorf("bleveindex: %s a generation of tenant %q: %w", what, g.tenant, ErrClosed)
	}
	return fmt.Errorf("bleveindex: cannot %s a generation of tenant %q that is %s", what, g.tenant, g.state)
}
