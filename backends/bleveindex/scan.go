package bleveindex

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"

	"productindex/backends/bleveindex/internal/bodies"
	"productindex/reindex"
)

var (
	_ reindex.LiveScanner = (*Index)(nil)
	_ reindex.Scanner     = (*generation)(nil)
)

// ScanLive implements [reindex.LiveScanner]. It reads a snapshot of the tenant's live index, in no particular order.
// With Config.OmitBodies the error matches [errors.ErrUnsupported].
func (ix *Index) ScanLive(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		err := ix.withLive(ctx, tenant, func(l *liveIndex) error {
			codec, err := l.bodies()
			if err != nil {
				return err
			}
			return ix.scan(ctx, l.index, codec, yield)
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(reindex.Product{}, fmt.Errorf("bleveindex: read the live index of tenant %q: %w", tenant, err))
		}
	}
}

// Scan implements [reindex.Scanner]. It reads a snapshot of the generation.
func (g *generation) Scan(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		g.mu.RLock()
		defer g.mu.RUnlock()
		if g.state != sealed {
			yield(reindex.Product{}, g.stateError("read"))
			return
		}
		codec, err := codecOf(g.index)
		if err == nil {
			err = g.t.ix.scan(ctx, g.index, codec, yield)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(reindex.Product{}, fmt.Errorf("bleveindex: read %s of tenant %q: %w", g.dir, g.tenant, err))
		}
	}
}

// errEnough means that the consumer of a scan has stopped.
var errEnough = errors.New("enough")

func codecOf(of bleve.Index) (*bodies.Codec, error) {
	dictionary, err := of.GetInternal(dictionaryKey)
	if err != nil {
		return nil, err
	}
	return bodies.New(slices.Clone(dictionary))
}

// scan yields the products of an index, segment by segment.
func (ix *Index) scan(
	ctx context.Context, of bleve.Index, codec *bodies.Codec, yield func(reindex.Product, error) bool,
) (err error) {
	if ix.cfg.OmitBodies {
		return fmt.Errorf("it has no bodies, because Config.OmitBodies is set: %w", errors.ErrUnsupported)
	}
	reader, err := readerOf(of)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	snapshot, ok := reader.(*scorch.IndexSnapshot)
	if !ok {
		return fmt.Errorf("bleve reads the index with a %T, want a *scorch.IndexSnapshot", reader)
	}
	for _, segment := range snapshot.Segments() {
		deleted := segment.Deleted()
		for n := range uint64(segment.FullSize()) { //nolint:gosec // the number of documents in a segment
			if deleted != nil && deleted.Contains(uint32(n)) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			product, err := stored(segment, n, codec)
			if err != nil {
				return err
			}
			if !yield(product, nil) {
				return errEnough
			}
		}
	}
	return nil
}

// stored returns the n-th product of a segment.
func stored(segment *scorch.SegmentSnapshot, n uint64, codec *bodies.Codec) (p reindex.Product, err error) {
	err = guard(func() error {
		var failed error
		err := segment.VisitDocument(n, func(field string, _ byte, value []byte, _ []uint64) bool {
			switch field {
			case idField:
				p.ID = string(value)
			case BodyField:
				p.Body, failed = codec.Decode(slices.Clone(value)) // bleve reads the next document into the same memory
			}
			return failed == nil
		})
		return errors.Join(err, failed)
	})
	if err == nil && (p.ID == "" || p.Body == nil) {
		err = fmt.Errorf("document %d of a segment has no id, or no body", n)
	}
	return p, err
}
