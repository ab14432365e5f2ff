package reindex

import (
	"context"
	"time"
)

// Rollbacker is an optional capability of an [Indexer] that keeps generations which were live, so that a tenant can go
// back to one of them; see Engine.Rollback. How many it keeps, and for how long, is a matter of its own settings. It
// passes reindextest.TestRollbacker.
type Rollbacker interface {
	// Generations returns the live generation of the tenant, if there is one, and the kept ones, the one that was replaced
	// last first.
	Generations(ctx context.Context, tenant string) ([]GenerationInfo, error)

	// Rollback opens a kept generation by its name; an empty name stands for the one that was replaced last. Nothing that
	// searches see changes before its Commit. ctx bounds the call, not the generation.
	//
	// The [Generation] is complete: it takes no Write, but edits if it is an [Editor]. Seal counts it. Commit makes it
	// live in one atomic step, and keeps the one that was live. Abort leaves it kept, in its place; edits that it took may
	// stay in it. The token in ctx counts as for Begin (see [Fence]): Commit of a generation that a run with a greater one
	// has overtaken fails with an error that matches [ErrFenced].
	//
	// The error matches [ErrNoPrevious] if no generation (of that name) is kept, [ErrCommitted] if the one of that name is
	// live, and [ErrDamaged] if it is damaged. One that cannot serve searches as it is, for whatever reason, is refused
	// with that reason.
	Rollback(ctx context.Context, tenant, generation string) (Generation, error)
}

// GenerationInfo describes a generation that is live, or was and is kept.
type GenerationInfo struct {
	// Name is the generation's name in the index; see [Generation].
	Name string
	// Live reports whether searches see it.
	Live bool
	// Edited reports whether changes were made to it once it was complete; false also if that is not known.
	Edited bool
	// Created is when it was begun, and Replaced when another one took its place, both in UTC; zero if that is not known,
	// or never was.
	Created, Replaced time.Time
	// Documents is the number of products that it holds, and Bytes what it takes on the disk; -1 if that is not known.
	Documents, Bytes int64
	// Job is the id of the job that has made it; empty if that is not known. An Indexer leaves it empty:
	// Engine.Generations fills it in.
	Job string
}
