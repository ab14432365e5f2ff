package reindex

import (
	"context"
	"iter"
)

// LiveScanner is an optional capability of an [Indexer]: it reads the live index back. With it, and with generations
// that are a [Scanner], a run can compare its generation with the live index; see Options.Difference.
type LiveScanner interface {
	// ScanLive yields every product of the tenant that searches see, once, in any order, with its body as the index stores
	// it. The scan may or may not see a change that is made meanwhile, and may yield its product twice. A body is valid
	// only until the next product is yielded. The engine reads a sequence that failed with a [*TemporaryError] again from
	// its start. The error matches [ErrNoLiveIndex] if nothing is live, and [errors.ErrUnsupported] if the index does not
	// store bodies.
	ScanLive(ctx context.Context, tenant string) iter.Seq2[Product, error]
}

// Scanner is an optional capability of a [Generation]: it reads back the products of the generation, after Seal.
type Scanner interface {
	// Scan yields every product of the sealed generation, as ScanLive does for the live index. If the same body was
	// written to both, both yield the same body.
	Scan(ctx context.Context) iter.Seq2[Product, error]
}
