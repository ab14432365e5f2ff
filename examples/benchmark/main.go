// Benchmark compares the engine with the client library of an index. In each round it loads a catalogue through the
// engine, and then with the library alone, as the library's documentation shows. Each load is a process of its own. The
// output has the cost of both loads, and finally the speed of the engine relative to the library.
//
//	go run ./examples/benchmark -backend bleve
//	go run ./examples/benchmark -backend bleve -catalogue multilingual -products 10000 -json
//	go run ./examples/benchmark -backend null -catalogue products.jsonl.gz
//
// With -scale it loads catalogues of several sizes through the engine only, and prints the growth of the cost per
// product:
//
//	go run ./examples/benchmark -backend bleve -scale 10000,100000,1000000
//
// With -cpuprofile each load writes a CPU profile:
//
//	go run ./examples/benchmark -backend bleve -cpuprofile profiles
//	go tool pprof -top -nodecount 10 profiles/*engine*
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
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	backend    string
	catalogue  string
	products   int
	rounds     int
	scale      []int
	settle     time.Duration
	json       bool
	cpuprofile string

	child job // the task, if this is a child process
}

// job is the task of a child process.
type job struct {
	load    string // loadEngine or loadLibrary; empty: this is not a child process
	file    string // the file with the products
	queries string // the file with the queries, as JSON
	profile string // the file for a CPU profile; empty: none
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("benchmark", flag.ContinueOnError)
	flags.StringVar(&o.backend, "backend", "bleve",
		"the index to load: "+strings.Join(slices.Sorted(maps.Keys(backends)), ", "))
	flags.StringVar(&o.catalogue, "catalogue", "pcparts",
		"the products: pcparts or retail, from ../shared/data or the folder that "+dataVariable+
			" names; multilingual, which is generated; or a file of JSON objects with a string \"id\", one "+
			"per line, which may be compressed as .gz")
	flags.IntVar(&o.products, "products", 0,
		"the number of products: a part of the catalogue, or more by repeating it with new ids; 0: the whole catalogue")
	flags.IntVar(&o.rounds, "rounds", 5, "the number of rounds")
	flags.Func("scale",
		"numbers of products, such as 10000,100000,1000000: measure only the engine, with catalogues of these sizes",
		func(list string) error { return parseSizes(list, &o.scale) })
	flags.DurationVar(&o.settle, "settle", 3*time.Second,
		"the time without work in the background after which the index counts as settled")
	flags.BoolVar(&o.json, "json", false, "print one JSON document; the table of the rounds goes to standard error")
	flags.StringVar(&o.cpuprofile, "cpuprofile", "", "the folder for a CPU profile of each load")
	flags.StringVar(&o.child.load, "load", "",
		"used for child processes: measure one load, engine or library, in this process")
	flags.StringVar(&o.child.file, "file", "", "used for child processes: the file with the products")
	flags.StringVar(&o.child.queries, "queries", "", "used for child processes: the file with the queries")
	flags.StringVar(&o.child.profile, "profile", "", "used for child processes: the file for the CPU profile")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch _, known := backends[o.backend]; {
	case !known:
		return o, fmt.Errorf("there is no backend %q; see -h", o.backend)
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; see -h", flags.Arg(0))
	case o.rounds < 1 || o.products < 0 || o.settle <= 0:
		return o, errors.New("-rounds and -settle must be positive, and -products must not be negative")
	case len(o.scale) > 0 && o.products > 0:
		return o, errors.New("-scale and -products cannot both be set")
	}
	return o, nil
}

func parseSizes(list string, sizes *[]int) error {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of products", text)
		}
		*sizes = append(*sizes, n)
	}
	return nil
}

func run(args []string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.child.load != "" {
		return printOne(ctx, o)
	}
	if o.cpuprofile != "" {
		if err := os.MkdirAll(o.cpuprofile, 0o750); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "productindex-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if len(o.scale) > 0 {
		return scale(ctx, o, dir)
	}
	return compare(ctx, o, dir)
}
