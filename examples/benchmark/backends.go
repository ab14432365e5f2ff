package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"productindex/reindex"
	"productindex/source/jsonl"
)

// loader loads a file's products into an index and returns how many a search can find then.
type loader func(ctx context.Context, file string) (int64, error)

// backend is an index to load in two ways.
type backend struct{ engine, library loader }

var backends = map[string]backend{
	"bleve":         {bleveEngine, bleveLibrary},
	"elasticsearch": {esEngine, esLibrary},
	"meilisearch":   {meiliEngine, meiliLibrary},
	"null":          {nullEngine, nullLibrary},
}

const tenant = "benchmark"

// runEngine reindexes the file into ix with the engine's defaults.
func runEngine(ctx context.Context, file string, ix reindex.Indexer) (int64, error) {
	source, err := jsonl.New(filepath.Dir(file), &jsonl.Config{Files: map[string][]string{tenant: {filepath.Base(file)}}})
	if err != nil {
		return 0, err
	}
	engine, err := reindex.New(reindex.SourceFunc(source.Products), ix, nil) // not counted first: the other load does not, either
	if err != nil {
		return 0, err
	}
	report, err := engine.Run(ctx, tenant)
	return report.Indexed, err
}

// eachLine calls f for each line of a file, which may be gzipped. The line is f's to keep.
func eachLine(file string, f func(id string, line []byte) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	var reader io.Reader = in
	if filepath.Ext(file) == ".gz" {
		if reader, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(reader)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var product struct {
			ID string `json:"id"`
		}
		line := append([]byte(nil), lines.Bytes()...)
		if err := json.Unmarshal(line, &product); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := f(product.ID, line); err != nil {
			return err
		}
	}
	return lines.Err()
}
