package main

import (
	"context"
	"sync/atomic"

	"productindex/reindex"
)

// nullEngine measures the engine alone, with an index that accepts every product and stores none.
func nullEngine(ctx context.Context, file, _ string) (loaded, error) {
	products, err := runEngine(ctx, file, &null{})
	return loaded{products: products, close: nothing}, err
}

// nullLibrary does the least that a program must do with such a file: it reads lines and decodes their ids.
func nullLibrary(_ context.Context, file, _ string) (loaded, error) {
	var products int64
	err := eachLine(file, func(string, []byte) error {
		products++
		return nil
	})
	return loaded{products: products, close: nothing}, err
}

type null struct{ documents atomic.Int64 }

func (n *null) Begin(context.Context, string) (reindex.Generation, error) { return n, nil }

func (n *null) Write(_ context.Context, batch []reindex.Product) error {
	n.documents.Add(int64(len(batch)))
	return nil
}

// Name returns a constant, since there is only one generation.
func (n *null) Name() string { return "null" }

func (n *null) Flush(context.Context) ([]reindex.ItemError, error) { return nil, nil }

func (n *null) Seal(context.Context) (reindex.Sealed, error) {
	return reindex.Sealed{Documents: n.documents.Load(), Live: -1}, nil
}

func (n *null) Commit(context.Context) error { return nil }
func (n *null) Abort(context.Context) error  { return nil }
