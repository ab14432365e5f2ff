package reindex

import (
	"context"
	"iter"
)

// Source is where a tenant's products come from. It is safe for concurrent use: runs of several tenants read at the same time.
type Source interface {
	// Products yields every product of the tenant once.
	//
	// An error ends the sequence; an end without one means: complete. A Source that stops early because ctx has ended yields
	// ctx.Err() (the engine checks ctx itself, too: a sequence that ends under a done context never counts as complete). A tenant
	// that the source does not know is an error, not an empty sequence. Every call reads from the start. The consumer may stop at
	// any product; the sequence then releases what it holds.
	Products(ctx context.Context, tenant string) iter.Seq2[Product, error]
}

// SourceFunc makes a function a [Source].
type SourceFunc func(ctx context.Context, tenant string) iter.Seq2[Product, error]

// Products calls f.
func (f SourceFunc) Products(ctx context.Context, tenant string) iter.Seq2[Product, error] {
	return f(ctx, tenant)
}

// Counter is an optional capability of a [Source]: it announces how many products a read of it yields. The engine shows the number
// as a job's expected count and refuses to commit a run that read fewer (see Config.CountMargin). Without it, or where Count returns
// an error that matches [errors.ErrUnsupported], nothing is expected; any other error ends the run.
type Counter interface {
	Count(ctx context.Context, tenant string) (int64, error)
}

// Partitioner is an optional capability of a [Source]: it splits a tenant's products into at most n sequences that can be read at the
// same time and together yield every product once. The engine asks for it when Config.Readers is above 1. Without it, or where
// Partitions returns an error that matches [errors.ErrUnsupported], the engine reads Products instead; any other error ends the run. ctx
// ends with the run: what a sequence holds that was never read is released then.
//
// Products of one id in two partitions have no first one. When the engine meets a duplicate while it reads partitions, it discards
// what it has written and starts over with Products.
type Partitioner interface {
	Partitions(ctx context.Context, tenant string, n int) ([]iter.Seq2[Product, error], error)
}

// Locator is an optional capability of a [Source]: it tells where products are, such as "acme.jsonl, line 17", for the ids that it finds.
// The engine asks for the rejected products that a report lists, once at the end of a run. Without it, or where Locate fails, the report
// has ids and reasons alone.
type Locator interface {
	Locate(ctx context.Context, tenant string, ids ...string) (map[string]string, error)
}
