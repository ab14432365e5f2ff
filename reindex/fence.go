package reindex

import "context"

type fenceKey struct{}

// Fence returns the fencing token of the run that an Indexer is called for, where its job store gives tokens: a number
// that grows with every job of the tenant, across all processes that share the store.
//
// An Indexer that several processes share keeps it with each generation. A generation with a smaller token than that of
// the run that calls Begin or Reap belongs to a run that is over, even if its process does not know: it was paused so
// long that its lease ran out. To publish such a generation late is what the token is to prevent: its Commit fails with
// an error that matches [ErrFenced].
func Fence(ctx context.Context) (token int64, ok bool) {
	token, ok = ctx.Value(fenceKey{}).(int64)
	return token, ok
}

// WithFence returns a context that carries a fencing token. The engine calls it; tests of an Indexer can.
func WithFence(ctx context.Context, token int64) context.Context {
	return context.WithValue(ctx, fenceKey{}, token)
}
