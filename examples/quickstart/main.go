// Quickstart reindexes a small catalogue into embedded bleve, through the HTTP endpoint, and searches it. It needs
// nothing but Go:
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"productindex/backends/bleveindex"
	"productindex/httpapi"
	"productindex/httpapi/console"
	"productindex/reindex"
	"productindex/source/jsonl"
)

// catalogue has one file of products per tenant. The only tenant here is demo.
//
//go:embed catalogue/*.jsonl
var catalogue embed.FS

const tenant = "demo"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1) //nolint:gocritic // the end of the process also stops the signals
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "productindex-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	// A host has three parts: a source of products, an index, and the engine, which connects them.
	files, err := fs.Sub(catalogue, "catalogue")
	if err != nil {
		return err
	}
	source, err := jsonl.NewFS(files, nil)
	if err != nil {
		return err
	}
	index, err := bleveindex.Open(dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	engine, err := reindex.New(source, index, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Shutdown(ctx)) }()

	// The host mounts the endpoints and the console on its mux. AllowAll lets everybody in; do not use it in
	// production.
	mux := http.NewServeMux()
	if err := httpapi.Mount(mux, engine, httpapi.Config{Authorizer: httpapi.AllowAll}); err != nil {
		return err
	}
	page, err := console.New(&console.Config{Search: searchBox(index), Authorizer: httpapi.AllowAll})
	if err != nil {
		return err
	}
	mux.Handle("/console/", http.StripPrefix("/console", page))
	address, stop, err := serve(ctx, mux)
	if err != nil {
		return err
	}
	defer stop()

	if err := trigger(ctx, address); err != nil {
		return err
	}
	if err := follow(ctx, engine); err != nil {
		return err
	}
	for _, text := range []string{"wool blankets", "grüne socken", "SWE-WOO-0004", "merino sweter"} {
		if err := find(ctx, index, text); err != nil {
			return err
		}
	}
	fmt.Print(next)
	look(ctx, address)
	return nil
}

// look prints the address of the console. On a terminal it waits until the user presses Ctrl-C.
func look(ctx context.Context, address string) {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		fmt.Printf("The console was at %s/console/; run this in a terminal to keep it open\n", address)
		return
	}
	fmt.Printf("The console is at %s/console/ until you press Ctrl-C\n", address)
	<-ctx.Done()
}

// serve starts a server on a free port of this machine.
func serve(ctx context.Context, handler http.Handler) (address string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// trigger posts the request that starts the reindex.
func trigger(ctx context.Context, address string) error {
	url := address + "/indexing/" + tenant + "/reindex"
	fmt.Printf("POST %s {\"mode\":\"FULL\"}\n", url)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"mode":"FULL"}`))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		body, _ := io.ReadAll(response.Body)
		return fmt.Errorf("the endpoint answered %s: %s", response.Status, body)
	}
	fmt.Println(response.Status)
	return nil
}

// follow shows the progress of the newest job until it ends.
func follow(ctx context.Context, engine *reindex.Engine) error {
	jobs, _, err := engine.Jobs(ctx, tenant, reindex.JobQuery{Limit: 1})
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		return fmt.Errorf("tenant %s has no job", tenant)
	}
	job := jobs[0]
	bar := progressbar.NewOptions64(max(job.Expected, 1),
		progressbar.OptionSetDescription("reindexing"), progressbar.OptionShowCount(), progressbar.OptionSetWidth(40),
		progressbar.OptionSetWriter(os.Stdout))
	for now, err := range engine.Watch(ctx, tenant, job.ID) {
		if err != nil {
			return err
		}
		job = now
		if job.Expected > 0 {
			bar.ChangeMax64(job.Expected)
		}
		if err := bar.Set64(job.Processed); err != nil {
			return err
		}
	}
	fmt.Println()
	if job.Status != reindex.StatusSuccess {
		return fmt.Errorf("the reindex ended as %s: %s", job.Status, job.Message)
	}
	fmt.Printf("%s: %d products live after %v\n", job.Status, job.Report.Indexed,
		job.Report.Durations.Total.Round(time.Millisecond))
	return nil
}

// find prints the best hits for a shopper's text among the products below 150 EUR, and the number of hits per color.
func find(ctx context.Context, index *bleveindex.Index, text string) error {
	limit := 150.0
	affordable := bleve.NewNumericRangeQuery(nil, &limit)
	affordable.SetField("price")
	query := bleveindex.Query(text, &bleveindex.QueryOptions{Filter: affordable})
	request := bleve.NewSearchRequestOptions(query, 3, 0, false)
	request.Fields = []string{"code", "name.en", "name.de", "price"}
	request.Highlight = bleve.NewHighlightWithStyle("html")
	request.AddFacet("colors", bleve.NewFacetRequest("color", 3))
	result, err := index.Search(ctx, tenant, request)
	if err != nil {
		return err
	}
	if result.Total == 0 {
		return fmt.Errorf("nothing found for %q", text)
	}
	hits := "hits"
	if result.Total == 1 {
		hits = "hit"
	}
	fmt.Printf("\n%s: %d %s", text, result.Total, hits)
	for _, word := range query.Explanation().Words {
		if word.Corrected != nil {
			fmt.Printf(", with %s for %s", strings.Join(word.Corrected, " or "), word.Word)
		}
	}
	for _, color := range result.Facets["colors"].Terms.Terms() {
		fmt.Printf(", %d %s", color.Count, color.Term)
	}
	fmt.Println()
	for _, hit := range result.Hits {
		fmt.Printf("  %v  %v  %v EUR\n", hit.Fields["code"], marked(hit, "name.en", "name.de"), hit.Fields["price"])
	}
	return nil
}

// searchBox returns the console's search. The last word of the text may be the beginning of a word.
func searchBox(index *bleveindex.Index) func(context.Context, string, string) (console.Found, error) {
	return func(ctx context.Context, tenant, text string) (console.Found, error) {
		query := bleveindex.Query(text, &bleveindex.QueryOptions{Prefix: true})
		request := bleve.NewSearchRequest(query)
		request.Fields = []string{"name.en", bleveindex.BodyField}
		result, err := index.Search(ctx, tenant, request)
		if err != nil {
			return console.Found{}, err
		}
		found := console.Found{Total: int64(result.Total)} //nolint:gosec // a number of documents
		for _, hit := range result.Hits {
			name, _ := hit.Fields["name.en"].(string)
			body, _ := bleveindex.Body(hit)
			found.Hits = append(found.Hits, console.Hit{ID: hit.ID, Name: name, Product: body})
		}
		return found, nil
	}
}

// marked returns the first of the fields in which words were found, with these words marked. If there is none, it
// returns the first field unchanged.
func marked(hit *search.DocumentMatch, fields ...string) string {
	for _, field := range fields {
		if fragments := hit.Fragments[field]; len(fragments) > 0 {
			return fragments[0]
		}
	}
	return fmt.Sprint(hit.Fields[fields[0]])
}

const next = `
What next?
  go run ./examples/server          serves your own catalogues: one file of JSON lines per tenant
  go run ./examples/benchmark -h    compares the engine with the index's own library
  README.md                         shows how to embed the library, and lists the packages
`
