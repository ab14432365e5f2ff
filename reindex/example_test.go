package reindex_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// shop returns a host's own source, which is one function.
func shop(catalogues map[string][]reindex.Product) reindex.SourceFunc {
	return func(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			products, ok := catalogues[tenant]
			if !ok {
				yield(reindex.Product{}, fmt.Errorf("no catalogue of tenant %q", tenant))
				return
			}
			for _, product := range products {
				if ctx.Err() != nil {
					yield(reindex.Product{}, ctx.Err())
					return
				}
				if !yield(product, nil) {
					return
				}
			}
		}
	}
}

// socks is a shop that sells socks.
var socks = shop(map[string][]reindex.Product{"acme": {
	{ID: "wool", Body: json.RawMessage(`{"name":"wool socks"}`)},
	{ID: "cotton", Body: json.RawMessage(`{"name":"cotton socks"}`)},
	{ID: "bamboo", Body: json.RawMessage(`{"name":"bamboo socks"}`)},
}})

// The source of the examples keeps the promises of a source.
func TestSourceOfTheExamples(t *testing.T) {
	reindextest.TestSource(t, func(_ *testing.T, products []reindex.Product) reindextest.SourceFixture {
		return reindextest.SourceFixture{Source: shop(map[string][]reindex.Product{"acme": products}), Tenant: "acme"}
	}, nil)
}

// Run reindexes a tenant and waits for the outcome. A program uses one of the packages in backends in place of the
// index in memory.
func ExampleEngine_Run() {
	engine, err := reindex.New(socks, reindextest.NewMemory(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := engine.Run(context.Background(), "acme")
	fmt.Println(report.Indexed, "indexed,", report.Rejected, "rejected, error:", err)
	// Output: 3 indexed, 0 rejected, error: <nil>
}

// Start begins a run, which Watch follows to its end.
func ExampleEngine_Start() {
	ctx := context.Background()
	engine, err := reindex.New(socks, reindextest.NewMemory(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	job, started, err := engine.Start(ctx, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("started:", started)
	for j, err := range engine.Watch(ctx, job.Tenant, job.ID) {
		if err != nil {
			fmt.Println(err)
			return
		}
		job = j
	}
	fmt.Println(job.Status, job.Processed)
	fmt.Println("shut down:", engine.Shutdown(ctx))
	// Output:
	// started: true
	// SUCCESS 3
	// shut down: <nil>
}

// The gate prevents an incomplete generation from going live, and gives the reason.
func ExampleGateError() {
	memory := reindextest.NewMemory()
	full, err := reindex.New(socks, memory, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = full.Run(context.Background(), "acme")
	fmt.Println(err)

	almostEmpty := reindextest.Slice(reindextest.Products(1, "x"))
	engine, err := reindex.New(almostEmpty, memory, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	job, _, err := engine.Start(context.Background(), "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	for j := range engine.Watch(context.Background(), "acme", job.ID) {
		job = j
	}
	fmt.Println(job.Message)
	fmt.Println(len(memory.Documents("acme")), "documents are still live")
	// Output:
	// <nil>
	// not published, rule "shrunk": the new index holds 1 document and the live one 3, at least 2 were needed (MinFraction)
	// 3 documents are still live
}

// A Transform turns the body that was read into the body to index.
func ExampleConfig_transform() {
	memory := reindextest.NewMemory()
	engine, err := reindex.New(socks, memory, &reindex.Config{
		Transform: func(_ context.Context, tenant string, p reindex.Product) (json.RawMessage, error) {
			var product struct {
				Name string `json:"name"`
			}
			if err := json.Unmarshal(p.Body, &product); err != nil {
				return nil, err
			}
			return json.Marshal(map[string]string{"title": product.Name, "shop": tenant})
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(context.Background(), "acme"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(memory.Documents("acme")["wool"]))
	// Output: {"shop":"acme","title":"wool socks"}
}
