package reindex

import (
	"context"
	"iter"
)

// LiveScanner is an optional capability of an [Indexer]: it reads the live index back. With it, and with generations
// that are a [Scanner], a run can say how its generation differs from the live index; see Options.Difference.
type LiveScanner interface {
	// ScanLive yields every product of the tenant that searches see, once, in any order, with its body as the index keeps
	// it. It reads one state of the index as far as the index has such a thing: a change that is made meanwhile may be
	// among the products, or not, and while changes are made a product may be yielded twice. Nobody keeps a body after its
	// turn. A sequence that failed with a [*TemporaryError] is read again from its start. The error matches
	// [ErrNoLiveIndex] if nothing is live, and [errors.ErrUnsupported] if bodies are not kept.
	ScanLive(ctx context.Context, tenant string) iter.Seq2[Product, error]
}

// Scanner is an optional capability of a [Generation]: it reads back what the generation holds, after Seal.
type Scanner interface {
	// Scan yields every product of the sealed generation, as ScanLive does of the live index: the same body, written to
	// both, is yielded the same.
	Scan(ctx context.Context) iter.Seq2[Product, error]
}
