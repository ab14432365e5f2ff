package bleveindex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/util"
	index "github.com/blevesearch/bleve_index_api"

	"productindex/reindex"
)

var (
	_ reindex.Updater = (*Index)(nil)
	_ reindex.Editor  = (*generation)(nil)
)

// dictionaryKey is the key of the dictionary with which the bodies of an index are compressed.
var dictionaryKey = []byte("productindex.bodies")

// documentsKey is the key of the number of documents, in an index that was changed after Seal.
var documentsKey = []byte("productindex.documents")

// Update implements [reindex.Updater]. The changes of a call are one batch, which is on the disk when Update returns.
// Searches that begin afterwards see the batch, and every search sees either all of a batch or nothing. The changed
// documents get the mapping with which the index was built, even if Config has another one by now. Each batch is a
// segment, which bleve later merges with others, so one call with many changes is much faster than a call for each.
//
// The end of ctx does not interrupt a batch that bleve has begun to write. The error matches [reindex.ErrNoLiveIndex],
// [reindex.ErrDamaged], [ErrReadOnly] or [ErrClosed] if the index cannot be changed.
func (ix *Index) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	err := ix.update(ctx, tenant, changes)
	var failed *reindex.BatchError
	if err == nil || errors.As(err, &failed) || contextError(err) != nil {
		return err
	}
	return fmt.Errorf("bleveindex: cannot update %d of the products of tenant %q: %w", len(changes), tenant, err)
}

func (ix *Index) update(ctx context.Context, tenant string, changes []reindex.Change) error {
	if err := ix.writable(); err != nil {
		return err
	}
	err := ix.withLive(ctx, tenant, func(l *liveIndex) error { return l.update(ctx, changes) })
	if err != nil {
		return explain(filepath.Join(ix.dir, tenantDir(tenant)), err)
	}
	return nil
}

// update applies the changes to the live index.
func (l *liveIndex) update(ctx context.Context, changes []reindex.Change) error {
	l.editing.Lock()
	defer l.editing.Unlock()
	if l.mapper == nil {
		mp, err := l.newMapper()
		if err != nil {
			return err
		}
		l.mapper = mp
	}
	b := newBatch(l.mapper)
	defer b.end()
	if err := b.change(changes); err != nil {
		return err
	}
	before, after, err := b.writeCounted(ctx, l.index)
	if err != nil {
		return err
	}
	err = l.t.syncStore(l.name)
	if after != before || !l.noted {
		l.noted = true
		l.noteDocuments(after)
	}
	if err != nil {
		return err
	}
	return b.failure()
}

// Edit implements [reindex.Editor]. The changes are on the disk when Edit returns. After Seal, the changes of a call
// are one batch.
func (g *generation) Edit(ctx context.Context, changes []reindex.Change) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != writing && g.state != sealed {
		return g.stateError("edit")
	}
	g.edited = true
	var err error
	if g.state == writing {
		err = g.editTogether(ctx, changes)
	} else {
		err = g.edit(ctx, changes, g.writeSealed)
	}
	var failed *reindex.BatchError
	if err == nil || errors.As(err, &failed) {
		return err
	}
	return g.writeError(len(changes), err)
}

// editsPerBatch is the smallest number of edits that are worth a batch of their own.
const editsPerBatch = 100

// editTogether writes edits before Seal. Many edits become several batches, which are written at the same time: bleve
// builds a batch on one processor.
func (g *generation) editTogether(ctx context.Context, changes []reindex.Change) error {
	parts := min(writers(), len(changes)/editsPerBatch)
	if parts < 2 || repeated(changes) {
		return g.edit(ctx, changes, g.write)
	}
	size := (len(changes) + parts - 1) / parts
	errs := make([]error, parts)
	var editing sync.WaitGroup
	for i, part := range slices.Collect(slices.Chunk(changes, size)) {
		editing.Go(func() { errs[i] = guard(func() error { return g.edit(ctx, part, g.write) }) })
	}
	editing.Wait()
	return together(errs)
}

// repeated reports whether there are several changes of a product.
func repeated(changes []reindex.Change) bool {
	ids := make(map[string]struct{}, len(changes))
	for _, c := range changes {
		ids[c.ID] = struct{}{}
	}
	return len(ids) < len(changes)
}

// together returns the error of edits that several batches have written: the first failure of a whole batch, or the
// products that could not be mapped.
func together(errs []error) error {
	var all reindex.BatchError
	for _, err := range errs {
		failed, ok := errors.AsType[*reindex.BatchError](err)
		if err != nil && !ok {
			return err
		}
		if ok {
			all.Items = append(all.Items, failed.Items...)
		}
	}
	if len(all.Items) == 0 {
		return nil
	}
	return &all
}

// edit writes edits as one batch.
func (g *generation) edit(
	ctx context.Context, changes []reindex.Change, write func(ctx context.Context, b *batch) error,
) error {
	b := newBatch(g.mapper)
	defer b.end()
	if err := b.change(changes); err != nil {
		return err
	}
	if err := write(ctx, b); err != nil {
		return err
	}
	return b.failure()
}

// write writes a batch before Seal.
func (g *generation) write(ctx context.Context, b *batch) error { return b.write(ctx, g.index) }

// writeSealed writes a batch after Seal. It also updates the number of documents and syncs the directory.
func (g *generation) writeSealed(ctx context.Context, b *batch) error {
	_, after, err := b.writeCounted(ctx, g.index)
	if err != nil {
		return err
	}
	g.documents = after
	return g.t.syncStore(g.name)
}

// writeCounted writes the batch to a sealed index, together with the number of documents afterwards. It returns the
// numbers of documents before and after the batch.
func (b *batch) writeCounted(ctx context.Context, complete bleve.Index) (before, after int64, err error) {
	err = guard(func() error {
		before, after, err = documentsAfter(complete, b.ops)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	b.ops.SetInternal(documentsKey, strconv.AppendInt(nil, after, 10))
	return before, after, b.write(ctx, complete)
}

// syncStore waits until the names of a generation's segments are on the disk. bleve syncs their contents.
func (t *tenant) syncStore(generation string) error {
	return t.ix.disk.syncDir(filepath.Join(t.dir, generation, storeDir))
}

// noteDocuments stores the number of documents in the mark, where it can be read without opening the index. It does not
// wait for the disk. After a power cut the number may be out of date or missing, which is acceptable: it is used only
// if the index is damaged.
func (l *liveIndex) noteDocuments(n int64) {
	if err := l.t.ix.disk.noteMark(filepath.Join(l.t.dir, l.name), liveMark(n, true)); err != nil {
		l.t.ix.cfg.Logger.Warn("cannot store the number of documents in the mark", "dir", l.t.dir, "generation", l.name,
			"error", err)
	}
}

// newMapper returns a mapper for an index that was opened, with the mapping with which the index was built.
func (l *liveIndex) newMapper() (mp *mapper, err error) {
	reader, err := readerOf(l.index)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	stored, err := reader.GetInternal(util.MappingInternalKey)
	if err != nil {
		return nil, err
	}
	names, err := reader.Fields()
	if err != nil {
		return nil, err
	}
	m, err := l.t.ix.cfg.mappingOf(l.t.name)
	if err != nil {
		return nil, err
	}
	if now, err := json.Marshal(m); err != nil || !bytes.Equal(now, stored) {
		m = mappingBefore(m, l.index.Mapping())
	}
	codec, err := l.bodies()
	if err != nil {
		return nil, err
	}
	mp = l.t.ix.cfg.newMapper(m)
	mp.bodies.Store(codec)
	mp.fields.names = make(map[string]struct{}, len(names))
	for _, name := range names {
		mp.fields.names[name] = struct{}{}
	}
	return mp, nil
}

// mappingBefore returns the mapping with which an index was built, from the mapping that bleve has read from it. If now
// is of a type of the host's own, it cannot be restored from the stored JSON, so mappingBefore returns now itself.
func mappingBefore(now, stored mapping.IndexMapping) mapping.IndexMapping {
	impl, ok := stored.(*mapping.IndexMappingImpl)
	if !ok {
		return now
	}
	switch now.(type) {
	case *ProductMapping, *mapping.IndexMappingImpl:
		if impl.DefaultMapping.Properties[formsName] != nil {
			return &ProductMapping{IndexMappingImpl: impl}
		}
		return impl
	default:
		return now
	}
}

func readerOf(of bleve.Index) (index.IndexReader, error) {
	inner, err := of.Advanced()
	if err != nil {
		return nil, err
	}
	return inner.Reader()
}

// documentsAfter returns the numbers of documents in an index before and after a batch.
func documentsAfter(complete bleve.Index, ops *index.Batch) (before, after int64, err error) {
	reader, err := readerOf(complete)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	snapshot, ok := reader.(*scorch.IndexSnapshot)
	if !ok {
		return 0, 0, fmt.Errorf("bleve reads the index with a %T, want a *scorch.IndexSnapshot", reader)
	}
	var upserts, deletions []string
	for id, doc := range ops.IndexOps {
		if doc != nil {
			upserts = append(upserts, id)
		} else {
			deletions = append(deletions, id)
		}
	}
	documents, err := snapshot.DocCount()
	if err != nil {
		return 0, 0, err
	}
	before = int64(documents) //nolint:gosec // bleve holds less than 2⁶³
	after = before + int64(len(upserts))
	for _, segment := range snapshot.Segments() {
		for _, ids := range [][]string{upserts, deletions} {
			there, err := segment.DocNumbers(ids)
			if err != nil {
				return 0, 0, err
			}
			after -= int64(there.GetCardinality()) //nolint:gosec // at most len(ids)
		}
	}
	return before, after, nil
}

// expectedDocuments returns the number of documents that is stored in an index, or unknown if the index was not changed
// after Seal.
func expectedDocuments(opened bleve.Index) (n int64, err error) {
	n = unknown
	err = guard(func() error {
		value, err := opened.GetInternal(documentsKey)
		if err == nil && value != nil {
			n, err = strconv.ParseInt(string(value), 10, 64)
		}
		return err
	})
	return n, err
}

// checkDocuments returns an error if n, the number of documents of an index, differs from the number that is stored in
// the index. If there is none, it compares n with said.
func checkDocuments(opened bleve.Index, n, said int64) error {
	expected, err := expectedDocuments(opened)
	if err != nil {
		return damaged("its number of documents cannot be read: %w", err)
	}
	if expected == unknown {
		expected = said
	}
	if expected != unknown && n != expected {
		return damaged("it holds %d of its %d documents", n, expected)
	}
	return nil
}
