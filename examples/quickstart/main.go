// Quickstart reindexes a small catalogue into embedded bleve, through the HTTP endpoint, and searches it. It needs nothing but Go:
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
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/schollz/progressbar/v3"

	"productindex/backends/bleveindex"
	"productindex/httpapi"
	"productindex/reindex"
	"productindex/source/jsonl"
)

// catalogue is one file of products a tenant; the one tenant here is demo.
//
//go:embed catalogue/*.jsonl
var catalogue embed.FS

const tenant = "demo"

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "productindex-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	// The three parts: where products come from, the index, and the engine between them.
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

	// The endpoint, on a mux of the host's. AllowAll lets everybody in: fine here, never in production.
	mux := http.NewServeMux()
	if err := httpapi.Mount(mux, engine, httpapi.Config{Authorizer: httpapi.AllowAll}); err != nil {
		return err
	}
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
	for _, words := range []string{"wool blanket", "name.de:Socke", "code:SWE-WOO-0004", "+gift +price:<30"} {
		if err := search(ctx, index, words); err != nil {
			return err
		}
	}
	fmt.Print(next)
	return nil
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
	if err != nil || len(jobs) == 0 {
		return fmt.Errorf("no job of tenant %s: %w", tenant, err)
	}
	job := jobs[0]
	bar := progressbar.NewOptions64(max(job.Expected, 1),
		progressbar.OptionSetDescription("reindexing"), progressbar.OptionShowCount(), progressbar.OptionSetWidth(40), progressbar.OptionSetWriter(os.Stdout))
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
	fmt.Printf("%s: %d products live after %v\n", job.Status, job.Report.Indexed, job.Report.Durations.Total.Round(time.Millisecond))
	return nil
}

// search prints the best hits of a query in bleve's query language.
func search(ctx context.Context, index *bleveindex.Index, words string) error {
	request := bleve.NewSearchRequestOptions(bleve.NewQueryStringQuery(words), 3, 0, false)
	request.Fields = []string{"name.en", "name.de", "code", "price"}
	result, err := index.Search(ctx, tenant, request)
	if err != nil {
		return err
	}
	if result.Total == 0 {
		return fmt.Errorf("nothing found for %q", words)
	}
	fmt.Printf("\n%s: %d hits\n", words, result.Total)
	for _, hit := range result.Hits {
		fmt.Printf("  %.2f  %v  %v / %v  %v EUR\n", hit.Score, hit.Fields["code"], hit.Fields["name.en"], hit.Fields["name.de"], hit.Fields["price"])
	}
	return nil
}

const next = `
What next?
  go run ./examples/server          the endpoint over your own catalogues: JSON-lines files, one a tenant
  go run ./examples/benchmark -h    the engine beside a plain loop over the client library
  README.md                         ten lines that embed it, the other backends, what is promised
`
