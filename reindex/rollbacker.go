package reindex

import (
	"context"
	"time"
)

// Rollbacker is an optional capability of an [Indexer]: it keeps generations that were live, so that a tenant can go
// back to one of them; see Engine.Rollback. The settings of the index determine how many it keeps, and for how long. An
// implementation must pass reindextest.TestRollbacker.
type Rollbacker interface {
	// Generations returns the live generation of the tenant, if there is one, and then the kept ones, the most recently
	// replaced first.
	Generations(ctx context.Context, tenant string) ([]GenerationInfo, error)

	// Rollback opens a kept generation by its name; an empty name stands for the one that was replaced last. Searches see
	// no change before its Commit. ctx bounds the call, not the generation.
	//
	// The [Generation] is complete: it accepts no Write, but edits if it is an [Editor]. Seal counts it. Commit makes it
	// live in one atomic step, and keeps the generation that was live. After Abort it is kept in its former place; edits
	// may stay in it. The token in ctx counts as for Begin (see [Fence]): if a run with a greater token has begun
	// meanwhile, Commit fails with an error that matches [ErrFenced].
	//
	// The error matches [ErrNoPrevious] if no generation, or none of that name, is kept, [ErrCommitted] if the generation
	// of that name is live, and [ErrDamaged] if it is damaged. A generation that cannot serve searches for another reason
	// is refused with that reason.
	Rollback(ctx context.Context, tenant, generation string) (Generation, error)
}

// GenerationInfo describes a live or kept generation.
type GenerationInfo struct {
	// Name is the generation's name in the index; see [Generation].
	Name string
	// Live reports whether searches see it.
	Live bool
	// Edited reports whether changes were made to it after it was complete. It is also false if that is not known.
	Edited bool
	// Created is the time at which it was begun, and Replaced the time at which another one replaced it, both in UTC. They
	// are zero if that is not known or did not happen.
	Created, Replaced time.Time
	// Documents is the number of products that it holds, and Bytes its size on disk; -1 if that is not known.
	Documents, Bytes int64
	// Job is the id of the job that has built it; empty if that is not known. An Indexer leaves it empty:
	// Engine.Generations fills it in.
	Job string
}
