package reindex

import "context"

type fenceKey struct{}

// Fence returns the fencing token of the run on whose behalf an Indexer is called, if the job store gives tokens. A
// token is a number that grows with every job of the tenant, across all processes that share the store.
//
// An Indexer that several processes share stores the token with each generation. A generation whose token is smaller
// than that of the run which calls Begin or Reap belongs to a run that is over. The process of that run may not know
// this, because it was paused until its lease expired. The token keeps such a process from publishing its generation
// late: its Commit fails with an error that matches [ErrFenced].
func Fence(ctx context.Context) (token int64, ok bool) {
	token, ok = ctx.Value(fenceKey{}).(int64)
	return token, ok
}

// WithFence returns a context that carries a fencing token. The engine calls it, and so can tests of an Indexer.
func WithFence(ctx context.Context, token int64) context.Context {
	return context.WithValue(ctx, fenceKey{}, token)
}
