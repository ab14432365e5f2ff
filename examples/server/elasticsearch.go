package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/backends/esindex"
	"productindex/reindex"
)

// elasticsearch configures the client of an Elasticsearch or OpenSearch server.
type elasticsearch struct {
	// URL is the URL of the server.
	URL string `env:"ELASTICSEARCH_URL" envDefault:"http://localhost:9200"`
	// APIKey is the API key in its encoded form. Username and Password are used if it is empty.
	APIKey   string `env:"ELASTICSEARCH_API_KEY,unset"`
	Username string `env:"ELASTICSEARCH_USERNAME"`
	Password string `env:"ELASTICSEARCH_PASSWORD,unset"`
	// CA is a PEM file with the certificates of the authorities that sign the server's certificate.
	CA string `env:"ELASTICSEARCH_CA"`
	// Prefix starts the names of all indexes and aliases.
	Prefix string `env:"ELASTICSEARCH_PREFIX" envDefault:"products"`
}

// openElasticsearch makes a client as package esindex recommends, and an index over it.
func openElasticsearch(cfg config) (backend, error) {
	es := cfg.Elasticsearch
	address, err := url.Parse(es.URL)
	if err != nil {
		return backend{}, fmt.Errorf("ELASTICSEARCH_URL: %w", err)
	}
	roundTripper := &http.Transport{MaxIdleConnsPerHost: 16, ResponseHeaderTimeout: 5 * time.Minute}
	if roundTripper.TLSClientConfig, err = trust(es.CA); err != nil {
		return backend{}, err
	}
	client, err := elastictransport.NewClient(
		elastictransport.WithURLs(address), elastictransport.WithBasicAuth(es.Username, es.Password),
		elastictransport.WithAPIKey(es.APIKey), elastictransport.WithTransport(roundTripper),
		elastictransport.WithDisableRetry(),
	)
	if err != nil {
		return backend{}, err
	}
	index, err := esindex.New(client, &esindex.Config{Prefix: es.Prefix, KeepPrevious: cfg.KeepPrevious})
	if err != nil {
		return backend{}, err
	}
	search := func(ctx context.Context, tenant string, q question) (found, error) {
		if reindex.CheckTenant(tenant) != nil {
			return found{}, errNoIndex
		}
		if !q.plain() {
			return found{}, errPlainOnly
		}
		return searchElasticsearch(ctx, client, index.Alias(tenant), q)
	}
	stop := func() error {
		roundTripper.CloseIdleConnections()
		return nil
	}
	return backend{index, search, esindex.Golden, stop}, nil
}

// trust returns a TLS configuration that trusts the certificates in a file, or those of the system if file is empty.
func trust(file string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return cfg, nil
	}
	certificates, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ELASTICSEARCH_CA: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("ELASTICSEARCH_CA: %s has no PEM certificate", file)
	}
	return cfg, nil
}

func searchElasticsearch(ctx context.Context, client esapi.Transport, alias string, q question) (found, error) {
	question := map[string]any{"match_all": map[string]any{}}
	if q.Text != "" {
		question = map[string]any{"simple_query_string": map[string]any{"query": q.Text}}
	}
	body, err := json.Marshal(map[string]any{"query": question, "size": hits, "from": q.From, "track_total_hits": true})
	if err != nil {
		return found{}, err
	}
	response, err := esapi.SearchRequest{Index: []string{alias}, Body: bytes.NewReader(body)}.Do(ctx, client)
	if err != nil {
		return found{}, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return found{}, errNoIndex
	}
	if response.IsError() {
		return found{}, fmt.Errorf("search of %s: %s", alias, response.Status())
	}
	var result struct {
		Hits struct {
			Total struct {
				Value int64 `json:"value"`
			} `json:"total"`
			Hits []struct {
				ID     string          `json:"_id"`     //nolint:tagliatelle // Elasticsearch's names
				Source json.RawMessage `json:"_source"` //nolint:tagliatelle // as above
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		return found{}, err
	}
	answer := found{Total: result.Hits.Total.Value, Hits: []hit{}}
	for _, match := range result.Hits.Hits {
		answer.Hits = append(answer.Hits, hit{ID: match.ID, Product: match.Source})
	}
	return answer, nil
}
