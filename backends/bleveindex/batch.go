package bleveindex

import (
	"context"
	"errors"
	"runtime"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"
	"golang.org/x/sync/errgroup"

	"productindex/backends/bleveindex/internal/compact"
	"productindex/reindex"
)

func (c *Config) newMapper(m mapping.IndexMapping) *mapper {
	return &mapper{mapping: m, omitBodies: c.OmitBodies}
}

// batch holds changes to be written to an index together, and the products that cannot be mapped.
type batch struct {
	mapper *mapper
	buffer *compact.Buffer
	more   []*compact.Buffer // of the other goroutines that have made documents
	ops    *index.Batch
	failed []reindex.ItemError
}

// newBatch returns an empty batch. The caller must call end.
func newBatch(m *mapper) *batch {
	return &batch{mapper: m, buffer: compact.Take(), ops: index.NewBatch()}
}

func (b *batch) end() {
	b.buffer.GiveBack()
	for _, buffer := range b.more {
		buffer.GiveBack()
	}
}

func (b *batch) upsert(p reindex.Product) {
	doc, err := b.mapper.document(p, b.buffer)
	b.add(p.ID, doc, err)
}

// add adds the document of a product, or the reason why there is none.
func (b *batch) add(id string, doc index.Document, err error) {
	if err != nil {
		b.failed = append(b.failed, reindex.ItemError{ID: id, Err: err})
		return
	}
	b.ops.Update(doc)
}

// changesPerGoroutine is the number of changes that are worth a goroutine.
const changesPerGoroutine = 16

// change adds changes. Several goroutines make the documents if there are many: calls of Update follow one another,
// while a run writes several batches at the same time, so a single goroutine would get only a small part of the
// processors.
func (b *batch) change(changes []reindex.Change) error {
	docs, errs := make([]index.Document, len(changes)), make([]error, len(changes))
	most := 2 * runtime.GOMAXPROCS(0)
	size := max(changesPerGoroutine, (len(changes)+most-1)/most)
	var making errgroup.Group
	for start := 0; start < len(changes); start += size {
		buffer := b.buffer
		if start > 0 {
			buffer = compact.Take()
			b.more = append(b.more, buffer)
		}
		end := min(start+size, len(changes))
		making.Go(func() error {
			return guard(func() error {
				b.mapper.documents(changes[start:end], buffer, docs[start:end], errs[start:end])
				return nil
			})
		})
	}
	if err := making.Wait(); err != nil {
		return err
	}
	for i, c := range changes {
		if c.Delete {
			b.ops.Delete(c.ID)
		} else {
			b.add(c.ID, docs[i], errs[i])
		}
	}
	return nil
}

// documents makes the documents of the changes, except for deletions.
func (m *mapper) documents(changes []reindex.Change, buffer *compact.Buffer, docs []index.Document, errs []error) {
	for i, c := range changes {
		if !c.Delete {
			docs[i], errs[i] = m.document(reindex.Product{ID: c.ID, Body: c.Body}, buffer)
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
