package bleveindex

import (
	"context"
	"errors"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex/internal/compact"
	"productindex/reindex"
)

// newMapper returns a mapper with this mapping.
func (c *Config) newMapper(m mapping.IndexMapping) *mapper {
	return &mapper{mapping: m, omitBodies: c.OmitBodies}
}

// batch holds changes to be written to an index together, and the products that cannot be mapped.
type batch struct {
	mapper *mapper
	buffer *compact.Buffer
	ops    *index.Batch
	failed []reindex.ItemError
}

// newBatch returns an empty batch. The caller must call end.
func newBatch(m *mapper) *batch {
	return &batch{mapper: m, buffer: compact.Take(), ops: index.NewBatch()}
}

func (b *batch) end() { b.buffer.GiveBack() }

func (b *batch) upsert(p reindex.Product) {
	doc, err := b.mapper.document(p, b.buffer)
	if err != nil {
		b.failed = append(b.failed, reindex.ItemError{ID: p.ID, Err: err})
		return
	}
	b.ops.Update(doc)
}

func (b *batch) change(changes []reindex.Change) {
	for _, c := range changes {
		if c.Delete {
			b.ops.Delete(c.ID)
		} else {
			b.upsert(reindex.Product{ID: c.ID, Body: c.Body})
		}
	}
}

// write writes the batch, which is on the disk when write returns. It uses the index inside bleve.Index, whose own
// methods accept only bleve's own type of document. The end of ctx does not interrupt a batch that bleve has begun to
// write.
func (b *batch) write(ctx context.Context, to bleve.Index) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b.ops.IndexOps) == 0 {
		return nil
	}
	inner, err := to.Advanced()
	if err != nil {
		return err
	}
	return guard(func() error { return persist(inner, to.Name(), b.ops) })
}

// failure returns a [reindex.BatchError] of the products that could not be mapped, and nil if there are none.
func (b *batch) failure() error {
	if len(b.failed) == 0 {
		return nil
	}
	return &reindex.BatchError{Items: b.failed}
}

// contextError returns err if it is the error of a context, and nil otherwise.
func contextError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
