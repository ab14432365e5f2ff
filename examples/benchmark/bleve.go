package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	indexapi "github.com/blevesearch/bleve_index_api"

	"productindex/backends/bleveindex"
)

// libraryBatch is the number of documents per batch in bleve's documentation.
const libraryBatch = 1000

func bleveEngine(ctx context.Context, file, dir string) (loaded, error) {
	index, err := bleveindex.Open(dir, nil)
	if err != nil {
		return loaded{}, err
	}
	products, err := runEngine(ctx, file, index)
	if err != nil {
		return loaded{}, errors.Join(err, index.Close())
	}
	search := func(ctx context.Context, words string) (uint64, error) {
		return total(index.Search(ctx, tenant, bleve.NewSearchRequest(bleveindex.Query(words, nil))))
	}
	return loaded{products: products, search: search, close: index.Close}, nil
}

// bleveLibrary indexes batches of 1,000 documents one after the other, with the mapping of the engine's load. Like the
// engine, it stores each product's body.
func bleveLibrary(_ context.Context, file, dir string) (loaded, error) {
	index, err := bleve.New(filepath.Join(dir, "index"), bleveindex.NewMapping())
	if err != nil {
		return loaded{}, err
	}
	count, err := uint64(0), indexInBatches(index, file)
	if err == nil {
		count, err = index.DocCount()
	}
	if err != nil {
		return loaded{}, errors.Join(err, index.Close())
	}
	search := func(ctx context.Context, words string) (uint64, error) {
		return total(index.SearchInContext(ctx, bleve.NewSearchRequest(bleveindex.Query(words, nil))))
	}
	return loaded{products: int64(count), search: search, close: index.Close}, nil
}

func indexInBatches(index bleve.Index, file string) error {
	m := index.Mapping()
	batch := index.NewBatch()
	err := eachLine(file, func(id string, line []byte) error {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			return err
		}
		doc := document.NewDocument(id)
		if err := m.MapDocument(doc, fields); err != nil {
			return err
		}
		doc.AddField(document.NewTextFieldCustom(bleveindex.BodyField, nil, line, indexapi.StoreField, nil))
		if err := batch.IndexAdvanced(doc); err != nil {
			return err
		}
		if batch.Size() < libraryBatch {
			return nil
		}
		err := index.Batch(batch)
		batch = index.NewBatch()
		return err
	})
	if err == nil && batch.Size() > 0 {
		err = index.Batch(batch)
	}
	return err
}

func total(found *bleve.SearchResult, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return found.Total, nil
}
