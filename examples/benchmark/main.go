// Benchmark loads a catalogue twice a round, in turn: through the engine, and straight through the client library of the same index, as
// that library's documentation shows. Each load is a process of its own. It prints what both took, and their ratio as the last line.
//
//	go run ./examples/benchmark -backend bleve -file products.jsonl.gz
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	backend string
	file    string
	rounds  int
	load    string // of a child process: which of the two loads to measure
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("benchmark", flag.ContinueOnError)
	flags.StringVar(&o.backend, "backend", "bleve", "the index to load: "+strings.Join(slices.Sorted(maps.Keys(backends)), ", "))
	flags.StringVar(&o.file, "file", "", "the products: a file of JSON objects with a string \"id\", one a line; .gz is fine")
	flags.IntVar(&o.rounds, "rounds", 5, "how often both loads are measured")
	flags.StringVar(&o.load, "load", "", "measure one load in this process and print it as JSON: engine or library")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if _, ok := backends[o.backend]; !ok {
		return o, fmt.Errorf("there is no backend %q", o.backend)
	}
	if o.file == "" || o.rounds < 1 {
		return o, errors.New("-file and a positive number of -rounds are needed")
	}
	return o, nil
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.load != "" {
		return printOne(ctx, o)
	}
	var engine, library []result
	fmt.Println(header)
	for round := range o.rounds {
		for _, load := range []string{loadEngine, loadLibrary} {
			r, err := measureInChild(ctx, o, load)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, load, err)
			}
			fmt.Println(r.row(strconv.Itoa(round+1), load))
			if load == loadEngine {
				engine = append(engine, r)
			} else {
				library = append(library, r)
			}
		}
		if e, l := engine[round], library[round]; e.Products != l.Products {
			return fmt.Errorf("the engine loaded %d products, the library alone %d", e.Products, l.Products)
		}
	}
	summary(engine, library)
	return nil
}
