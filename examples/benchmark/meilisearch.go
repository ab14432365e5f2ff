package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex"
)

const (
	// meiliBatch is the default size of the client library's AddDocumentsInBatches.
	meiliBatch = 1000
	// meiliLibraryIndex is the index of the library's load.
	meiliLibraryIndex = "productindex_benchmark_library"
	// meiliWait is the interval at which the library's load polls its tasks.
	meiliWait = 50 * time.Millisecond
)

// withMeilisearch calls load with a client of the server in MEILISEARCH_URL, by default of the one on this machine,
// with the key in MEILISEARCH_API_KEY.
func withMeilisearch(load func(client meilisearch.ServiceManager) (int64, error)) (loaded, error) {
	server, key := os.Getenv("MEILISEARCH_URL"), os.Getenv("MEILISEARCH_API_KEY")
	if server == "" {
		server = "http://localhost:7700"
	}
	client := meilisearch.New(server, meilisearch.WithAPIKey(key), meilisearch.DisableRetries())
	defer client.Close()
	products, err := load(client)
	return loaded{products: products, close: nothing}, err
}

func meiliEngine(ctx context.Context, file, _ string) (loaded, error) {
	return withMeilisearch(func(client meilisearch.ServiceManager) (int64, error) {
		index, err := meiliindex.New(client, &meiliindex.Config{Prefix: "productindex_benchmark_"})
		if err != nil {
			return 0, err
		}
		return runEngine(ctx, file, index)
	})
}

// meiliLibrary adds the documents in batches of the library's default size and waits once, for the last task.
func meiliLibrary(ctx context.Context, file, _ string) (loaded, error) {
	return withMeilisearch(func(client meilisearch.ServiceManager) (n int64, err error) {
		var documents []map[string]any
		err = eachLine(file, func(_ string, line []byte) error {
			var document map[string]any
			err := json.Unmarshal(line, &document)
			documents = append(documents, document)
			return err
		})
		if err != nil {
			return 0, err
		}
		index := client.Index(meiliLibraryIndex)
		defer func() {
			_, dropped := client.DeleteIndexWithContext(context.WithoutCancel(ctx), meiliLibraryIndex)
			err = errors.Join(err, dropped)
		}()
		tasks, err := index.AddDocumentsInBatchesWithContext(
			ctx,
			documents,
			meiliBatch,
			&meilisearch.DocumentOptions{PrimaryKey: new("id")},
		)
		if err != nil || len(tasks) == 0 {
			return 0, err
		}
		last, err := client.WaitForTaskWithContext(ctx, tasks[len(tasks)-1].TaskUID, meiliWait)
		if err != nil {
			return 0, err
		}
		if last.Status != meilisearch.TaskStatusSucceeded {
			return 0, fmt.Errorf("the last task is %s: %s", last.Status, last.Error.Message)
		}
		stats, err := index.GetStatsWithContext(ctx, nil)
		if err != nil {
			return 0, err
		}
		return stats.NumberOfDocuments, nil
	})
}
