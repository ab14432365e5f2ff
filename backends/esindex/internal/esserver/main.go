// Esserver runs the server that the tests use until it is interrupted, for the benchmark and for experiments. It needs
// a JDK and Maven. The server has no indexes at the start, and its data is deleted at the end. Set ESTEST_SERVER to run
// another release, such as opensearch:2.19.6.
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
	quick := flag.Bool("quick", false, "take less time for the start and more for each request later on, for short tests")
	fetch := flag.Bool("fetch", false, "download the server if it is not there, and run nothing")
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
	fmt.Println("export ELASTICSEARCH_URL=" + server.URL) //nolint:forbidigo // what the program is for
	<-ctx.Done()
	return nil
}
