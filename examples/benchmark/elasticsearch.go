package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/elastic/go-elasticsearch/v8/esutil"

	"productindex/backends/esindex"
)

// esWorkers is the number of concurrent requests in both loads. It is the default of the engine.
const esWorkers = 8

// esLibraryIndex is the index of the library's load.
const esLibraryIndex = "productindex-benchmark-library"

// esClient returns a client of the server in ELASTICSEARCH_URL, by default of the one on this machine.
func esClient() (*elastictransport.Client, error) {
	server := os.Getenv("ELASTICSEARCH_URL")
	if server == "" {
		server = "http://localhost:9200"
	}
	address, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	return elastictransport.NewClient(elastictransport.WithURLs(address), elastictransport.WithDisableRetry(),
		elastictransport.WithTransport(&http.Transport{MaxIdleConnsPerHost: esWorkers}))
}

func esEngine(ctx context.Context, file, _ string) (loaded, error) {
	client, err := esClient()
	if err != nil {
		return loaded{}, err
	}
	index, err := esindex.New(client, &esindex.Config{Prefix: "productindex-benchmark", RetireDelay: -1})
	if err != nil {
		return loaded{}, err
	}
	products, err := runEngine(ctx, file, index)
	return loaded{products: products, close: nothing}, err
}

// esLibrary loads with the BulkIndexer of the client library, into an index with the mappings and settings of the
// engine's index during a load. It then refreshes the index and counts its documents.
func esLibrary(ctx context.Context, file, _ string) (loaded, error) {
	transport, err := esClient()
	if err != nil {
		return loaded{}, err
	}
	client := bulkClient{transport}
	drop := func() error {
		ctx := context.WithoutCancel(ctx)
		return answered(
			esapi.IndicesDeleteRequest{Index: []string{esLibraryIndex}, IgnoreUnavailable: new(true)}.Do(ctx, client),
		)
	}
	if err := drop(); err != nil {
		return loaded{}, err
	}
	products, err := esBulk(ctx, client, file)
	if err != nil {
		return loaded{}, errors.Join(err, drop())
	}
	return loaded{products: products, close: drop}, nil
}

func esBulk(ctx context.Context, client bulkClient, file string) (int64, error) {
	settings := `{"settings":{"index.mapping.total_fields.ignore_dynamic_beyond_limit":true,"refresh_interval":"-1",` +
		`"number_of_replicas":0},"mappings":` + esindex.DefaultMappings + `}`
	create := esapi.IndicesCreateRequest{Index: esLibraryIndex, Body: strings.NewReader(settings)}
	if err := answered(create.Do(ctx, client)); err != nil {
		return 0, err
	}
	bulk, err := esutil.NewBulkIndexer(
		esutil.BulkIndexerConfig{Client: client, Index: esLibraryIndex, NumWorkers: esWorkers},
	)
	if err != nil {
		return 0, err
	}
	err = eachLine(file, func(id string, line []byte) error {
		return bulk.Add(ctx, esutil.BulkIndexerItem{Action: "index", DocumentID: id, Body: bytes.NewReader(line)})
	})
	if err := errors.Join(err, bulk.Close(ctx)); err != nil {
		return 0, err
	}
	if failed := bulk.Stats().NumFailed; failed > 0 {
		return 0, fmt.Errorf("%d documents failed", failed)
	}
	if err := answered(esapi.IndicesRefreshRequest{Index: []string{esLibraryIndex}}.Do(ctx, client)); err != nil {
		return 0, err
	}
	return esCount(ctx, client)
}

func esCount(ctx context.Context, client esapi.Transport) (int64, error) {
	response, err := esapi.CountRequest{Index: []string{esLibraryIndex}}.Do(ctx, client)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var counted struct {
		Count int64 `json:"count"`
	}
	err = json.NewDecoder(response.Body).Decode(&counted)
	return counted.Count, err
}

// answered returns an error for an error answer.
func answered(response *esapi.Response, err error) error {
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.IsError() {
		err = fmt.Errorf("%s: %.500s", response.Status(), body)
	}
	return err
}

// bulkClient adapts a transport to the interface that the BulkIndexer requires.
type bulkClient struct{ esapi.Transport }
