package reindextest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"productindex/reindex"
)

// Op names a call of an Indexer or a Generation.
type Op string

// The calls that can fail.
const (
	OpBegin       Op = "begin"
	OpWrite       Op = "write"
	OpFlush       Op = "flush"
	OpSeal        Op = "seal"
	OpCommit      Op = "commit"
	OpAbort       Op = "abort"
	OpUpdate      Op = "update"
	OpEdit        Op = "edit"
	OpGenerations Op = "generations"
	OpRollback    Op = "rollback"
)

// Call is one call that a [Faulty] is about to make.
type Call struct {
	// Op is the call.
	Op Op
	// N counts the calls of this Op, from 1.
	N int
	// Tenant is the tenant of the call.
	Tenant string
	// Batch holds the products to write if Op is OpWrite, and is nil otherwise.
	Batch []reindex.Product
	// Changes holds the changes to apply if Op is OpUpdate or OpEdit, and is nil otherwise.
	Changes []reindex.Change
}

// Fault is a fault of a call. The zero value changes nothing.
type Fault struct {
	// Delay is the time to wait before anything else, unless the call's context ends first.
	Delay time.Duration
	// Panic, if it is not nil, is passed to panic.
	Panic any
	// Err is returned without making the call.
	Err error
	// Items are the products of the batch, or of the changes, that fail. The others are written, and the call returns a
	// BatchError with these items.
	Items []reindex.ItemError
	// Lost is returned after the call was made and succeeded, as if its answer had been lost.
	Lost error
}

// Faulty wraps an Indexer and injects the faults that a function returns. It has the optional interfaces of the wrapped
// Indexer. It is safe for concurrent use.
type Faulty struct {
	inner reindex.Indexer
	fault func(Call) Fault

	mu    sync.Mutex
	calls map[Op]int
}

// NewFaulty wraps ix. It calls fault before every call; the result is the fault of that call. fault must be safe for
// concurrent use.
func NewFaulty(ix reindex.Indexer, fault func(Call) Fault) *Faulty {
	return &Faulty{inner: ix, fault: fault, calls: map[Op]int{}}
}

// Unwrap returns the wrapped Indexer.
func (f *Faulty) Unwrap() reindex.Indexer { return f.inner }

// Update implements [reindex.Updater], with the fault of the call. If the wrapped Indexer is not a [reindex.Updater],
// it returns [errors.ErrUnsupported].
func (f *Faulty) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	updater, ok := reindex.As[reindex.Updater](f.inner)
	if !ok {
		return errors.ErrUnsupported
	}
	return f.call(ctx, Call{Op: OpUpdate, Tenant: tenant, Changes: changes}, func(c Call) error {
		return updater.Update(ctx, tenant, c.Changes)
	})
}

// Calls returns the number of calls of op so far.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Begin implements [reindex.Indexer], with the fault of the call. The calls of the generation also have faults.
func (f *Faulty) Begin(ctx context.Context, tenant string) (gen reindex.Generation, err error) {
	return f.open(ctx, Call{Op: OpBegin, Tenant: tenant}, func() (reindex.Generation, error) {
		return f.inner.Begin(ctx, tenant)
	})
}

// Generations implements [reindex.Rollbacker], with the fault of the call. If the wrapped Indexer is not a
// [reindex.Rollbacker], it returns [errors.ErrUnsupported].
func (f *Faulty) Generations(ctx context.Context, tenant string) (infos []reindex.GenerationInfo, err error) {
	rollbacker, ok := reindex.As[reindex.Rollbacker](f.inner)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	err = f.call(ctx, Call{Op: OpGenerations, Tenant: tenant}, func(Call) (err error) {
		infos, err = rollbacker.Generations(ctx, tenant)
		return err
	})
	return infos, err
}

// Rollback implements [reindex.Rollbacker], with the fault of the call. The calls of the generation also have faults.
// If the wrapped Indexer is not a [reindex.Rollbacker], Rollback returns [errors.ErrUnsupported].
func (f *Faulty) Rollback(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	rollbacker, ok := reindex.As[reindex.Rollbacker](f.inner)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return f.open(ctx, Call{Op: OpRollback, Tenant: tenant}, func() (reindex.Generation, error) {
		return rollbacker.Rollback(ctx, tenant, generation)
	})
}

// open opens a generation and wraps it.
func (f *Faulty) open(
	ctx context.Context, c Call, open func() (reindex.Generation, error),
) (gen reindex.Generation, err error) {
	err = f.call(ctx, c, func(Call) (err error) {
		gen, err = open()
		return err
	})
	if err != nil && gen != nil { // the answer was lost, so the engine cannot abort the generation
		return nil, errors.Join(err, gen.Abort(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return nil, err
	}
	return &faultyGeneration{f, c.Tenant, gen}, nil
}

// call makes one call with its fault.
func (f *Faulty) call(ctx context.Context, c Call, do func(c Call) error) error {
	f.mu.Lock()
	f.calls[c.Op]++
	c.N = f.calls[c.Op]
	f.mu.Unlock()
	fault := f.fault(c)
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if fault.Panic != nil {
		panic(fault.Panic)
	}
	if fault.Err != nil {
		return fault.Err
	}
	if len(fault.Items) > 0 {
		c.Batch = without(c.Batch, fault.Items, func(p reindex.Product) string { return p.ID })
		c.Changes = without(c.Changes, fault.Items, func(c reindex.Change) string { return c.ID })
		if err := do(c); err != nil {
			return err
		}
		return &reindex.BatchError{Items: fault.Items}
	}
	if err := do(c); err != nil {
		return err
	}
	return fault.Lost
}

// without returns the members of a batch that are not among items.
func without[T any](batch []T, items []reindex.ItemError, id func(T) string) (rest []T) {
	for _, member := range batch {
		if !slices.ContainsFunc(items, func(item reindex.ItemError) bool { return item.ID == id(member) }) {
			rest = append(rest, member)
		}
	}
	return rest
}

type faultyGeneration struct {
	f      *Faulty
	tenant string
	inner  reindex.Generation
}

func (g *faultyGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	return g.f.call(ctx, Call{Op: OpWrite, Tenant: g.tenant, Batch: batch}, func(c Call) error {
		return g.inner.Write(ctx, c.Batch)
	})
}

// Unwrap returns the wrapped Generation.
func (g *faultyGeneration) Unwrap() reindex.Generation { return g.inner }

func (g *faultyGeneration) Edit(ctx context.Context, changes []reindex.Change) error {
	editor, ok := reindex.As[reindex.Editor](g.inner)
	if !ok {
		return errors.ErrUnsupported
	}
	return g.f.call(ctx, Call{Op: OpEdit, Tenant: g.tenant, Changes: changes}, func(c Call) error {
		return editor.Edit(ctx, c.Changes)
	})
}

func (g *faultyGeneration) Name() string { return g.inner.Name() }

func (g *faultyGeneration) Flush(ctx context.Context) (failed []reindex.ItemError, err error) {
	err = g.f.call(ctx, Call{Op: OpFlush, Tenant: g.tenant}, func(Call) (err error) {
		failed, err = g.inner.Flush(ctx)
		return err
	})
	return failed, err
}

func (g *faultyGeneration) Seal(ctx context.Context) (sealed reindex.Sealed, err error) {
	err = g.f.call(ctx, Call{Op: OpSeal, Tenant: g.tenant}, func(Call) (err error) {
		sealed, err = g.inner.Seal(ctx)
		return err
	})
	return sealed, err
}

func (g *faultyGeneration) Commit(ctx context.Context) error {
	return g.f.call(ctx, Call{Op: OpCommit, Tenant: g.tenant}, func(Call) error { return g.inner.Commit(ctx) })
}

func (g *faultyGeneration) Abort(ctx context.Context) error {
	return g.f.call(ctx, Call{Op: OpAbort, Tenant: g.tenant}, func(Call) error { return g.inner.Abort(ctx) })
}

// errInjected is the error of every random fault.
var errInjected = errors.New("injected fault")

// Random returns random faults for [NewFaulty]. A seed always gives the same sequence. If every is 10, about one call
// in ten has a fault. The faults are of kinds that occur in practice, including a lost answer to a Commit. Every write
// permanently rejects the products whose ids poison selects; a nil poison selects none. No other product is rejected
// permanently, because a batch of one product is never too large and never refused.
func Random(seed uint64, every int, poison func(id string) bool) func(Call) Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, seed))
	return func(c Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		var items []reindex.ItemError
		for _, p := range c.Batch {
			if poison != nil && poison(p.ID) {
				items = append(items, reindex.ItemError{ID: p.ID, Err: errInjected})
			}
		}
		if rng.IntN(every) > 0 {
			return Fault{Items: items}
		}
		switch kind := rng.IntN(6); {
		case kind == 0:
			return Fault{Panic: errInjected}
		case kind == 1:
			return Fault{Err: errInjected}
		case kind == 2 && c.Op == OpWrite && len(c.Batch) > 1:
			return Fault{Err: []error{reindex.ErrTooLarge, reindex.ErrRefused}[rng.IntN(2)]}
		case kind == 3 && len(c.Batch) > 0 && len(items) == 0:
			return Fault{Items: []reindex.ItemError{{ID: c.Batch[rng.IntN(len(c.Batch))].ID, Retryable: true, Err: errInjected}}}
		case kind == 4 && c.Op == OpCommit:
			return Fault{Lost: errInjected}
		case kind == 4 && (c.Op == OpWrite || c.Op == OpFlush || c.Op == OpSeal) && len(items) == 0:
			return Fault{Lost: reindex.Temporary(errInjected)}
		}
		return Fault{Err: reindex.Temporary(errInjected)}
	}
}
