// Esserver runs the server of the tests until it is interrupted, for benchmarks and experiments. It needs a JDK and
// Maven. The server has no indexes at the start, and its data is deleted at the end. ESTEST_SERVER names another
// release, such as opensearch:2.19.6.
//
//	go run ./backends/esindex/internal/esserver
//	export ELASTICSEARCH_URL=…    # as it prints
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"productindex/backends/esindex/internal/estest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "esserver:", err)
		os.Exit(1)
	}
}

func run() error {
	quick := flag.Bool("quick", false, "start faster, but serve requests more slowly; for short tests")
	fetch := flag.Bool("fetch", false, "only download the server, if the cache does not have it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *fetch {
		return estest.Fetch(ctx)
	}
	server, err := estest.Start(ctx, estest.Options{ForLong: !*quick})
	if err != nil {
		return err
	}
	defer server.Stop()
	fmt.Println("export ELASTICSEARCH_URL=" + server.URL) //nolint:forbidigo // the output of the program
	<-ctx.Done()
	return nil
}
