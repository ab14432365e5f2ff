package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/blevesearch/bleve/v2"

	"productindex/backends/bleveindex"
)

// libraryBatch is how many documents bleve's documentation puts into a batch.
const libraryBatch = 1000

func bleveEngine(ctx context.Context, file string) (int64, error) {
	return inFolder(func(dir string) (n int64, err error) {
		index, err := bleveindex.Open(dir, nil)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, index.Close()) }()
		return runEngine(ctx, file, index)
	})
}

// bleveLibrary indexes batches of 1,000 documents one after the other, with the mapping that the engine uses.
func bleveLibrary(_ context.Context, file string) (int64, error) {
	return inFolder(func(dir string) (n int64, err error) {
		index, err := bleve.New(filepath.Join(dir, "index"), bleveindex.NewMapping())
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, index.Close()) }()
		batch := index.NewBatch()
		err = eachLine(file, func(id string, line []byte) error {
			var doc map[string]any
			if err := json.Unmarshal(line, &doc); err != nil {
				return err
			}
			if err := batch.Index(id, doc); err != nil {
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
		if err != nil {
			return 0, err
		}
		count, err := index.DocCount()
		return int64(count), err //nolint:gosec // a number of documents
	})
}

// inFolder calls f with a folder that is removed afterwards.
func inFolder(f func(dir string) (int64, error)) (n int64, err error) {
	dir, err := os.MkdirTemp("", "productindex-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return f(dir)
}
