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

// newMapper returns what makes documents by a mapping.
func (c *Config) newMapper(m mapping.IndexMapping) *mapper {
	return &mapper{mapping: m, omitBodies: c.OmitBodies}
}

// batch is a number of products on their way to an index, and those of them that cannot be mapped.
type batch struct {
	mapper *mapper
	buffer *compact.Buffer
	ops    *index.Batch
	failed []reindex.ItemError
}

// newBatch returns an empty batch. The caller calls end.
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

// change adds changes.
func (b *batch) change(changes []reindex.Change) {
	for _, c := range changes {
		if c.Delete {
			b.ops.Delete(c.ID)
		} else {
			b.upsert(reindex.Product{ID: c.ID, Body: c.Body})
		}
	}
}

// write hands the batch to the index below bleve's own, which takes documents of bleve's own type only. When it returns
// they are on the disk. ctx is looked at before; what bleve has begun to write is finished.
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

// contextError returns err if a context's end is what it says, and nil otherwise.
func contextError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
