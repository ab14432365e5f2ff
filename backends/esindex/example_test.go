package esindex_test

import (
	"fmt"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"productindex/backends/esindex"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The client has connections of its own, and does not retry, since the engine does.
func Example() {
	server, err := url.Parse("https://search.example.com:9200")
	if err != nil {
		log.Fatal(err)
	}
	client, err := elastictransport.NewClient(
		elastictransport.WithURLs(server),
		elastictransport.WithAPIKey("…"),
		elastictransport.WithDisableRetry(),
		elastictransport.WithTransport(&http.Transport{MaxIdleConnsPerHost: 16, ResponseHeaderTimeout: 2 * time.Minute}),
	)
	if err != nil {
		log.Fatal(err)
	}
	index, err := esindex.New(client, &esindex.Config{Prefix: "shop", KeepPrevious: 1})
	if err != nil {
		log.Fatal(err)
	}
	engine, err := reindex.New(reindextest.Slice(nil), index, nil)
	if err != nil {
		log.Fatal(err)
	}
	_ = engine // engine.Run(ctx, "acme") indexes the products of acme
	fmt.Println("searches go to", index.Alias("acme"))
	// Output: searches go to shop-acme
}
