package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A dry run does everything but the switch. Here it also compares the new index with the live one.
func ExampleEngine_RunWith() {
	ctx, memory := context.Background(), reindextest.NewMemory()
	before, err := reindex.New(socks, memory, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := before.Run(ctx, "acme"); err != nil {
		fmt.Println(err)
		return
	}

	changed := shop(map[string][]reindex.Product{"acme": {
		{ID: "wool", Body: json.RawMessage(`{"name":"merino socks"}`)},
		{ID: "cotton", Body: json.RawMessage(`{"name":"cotton socks"}`)},
		{ID: "silk", Body: json.RawMessage(`{"name":"silk socks"}`)},
	}})
	engine, err := reindex.New(changed, memory, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := engine.RunWith(ctx, "acme", reindex.Options{DryRun: true, Difference: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("added", report.Difference.AddedIDs)
	fmt.Println("removed", report.Difference.RemovedIDs)
	for _, product := range report.Difference.ChangedProducts {
		fmt.Println("changed", product.ID, product.Fields)
	}
	fmt.Println("live:", string(memory.Documents("acme")["wool"]))
	// Output:
	// added [silk]
	// removed [bamboo]
	// changed wool [name]
	// live: {"name":"wool socks"}
}

// Watch yields the progress of a run, for example for a page or a command.
func ExampleEngine_Watch() {
	engine, err := reindex.New(socks, reindextest.NewMemory(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	job, _, err := engine.Start(context.Background(), "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	for now, err := range engine.Watch(context.Background(), "acme", job.ID) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if now.Status.Ended() {
			fmt.Println(now.Status, now.Report.Indexed)
		}
	}
	// Output: SUCCESS 3
}

// A check of the host decides whether a new index goes live.
func ExampleCheck() {
	memory := reindextest.NewMemory()
	engine, err := reindex.New(socks, memory, &reindex.Config{Checks: []reindex.Check{{
		Name: "assortment",
		Func: func(_ context.Context, candidate reindex.Candidate) error {
			if candidate.Documents < 100 {
				err := fmt.Errorf("%d products are too few to open the shop", candidate.Documents)
				return reindex.Public(err, err.Error()) // callers of an API may see it
			}
			return nil
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = engine.Run(context.Background(), "acme")
	if refused, ok := errors.AsType[*reindex.CheckError](err); ok {
		fmt.Println(refused)
	}
	fmt.Println(len(memory.Documents("acme")), "documents are live")
	// Output:
	// not published, check "assortment": 3 products are too few to open the shop
	// 0 documents are live
}

// A source rejects a record that it cannot read, names its place, and continues. MaxRejected allows the rejection.
func ExampleRecordError() {
	source := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			broken := &reindex.RecordError{ID: "b", Where: "row 2", Err: errors.New("the price is not a number")}
			_ = yield(reindex.Product{ID: "a", Body: json.RawMessage(`{"price":5}`)}, nil) && yield(reindex.Product{}, broken)
		}
	})
	engine, err := reindex.New(source, reindextest.NewMemory(), &reindex.Config{MaxRejected: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := engine.Run(context.Background(), "acme")
	fmt.Println(report.Indexed, "indexed, error:", err)
	for _, rejected := range report.Rejections {
		fmt.Printf("%s (%s): %s\n", rejected.ID, rejected.Where, rejected.Reason)
	}
	// Output:
	// 1 indexed, error: <nil>
	// b (row 2): the price is not a number
}

// A Trace reports the steps of an engine, for example to the host's own metrics.
func ExampleTrace() {
	engine, err := reindex.New(socks, reindextest.NewMemory(), &reindex.Config{
		Logger: slog.New(slog.DiscardHandler),
		Trace: &reindex.Trace{
			JobEnded: func(_ context.Context, job reindex.Job, err error) {
				fmt.Println(job.Tenant, job.Status, job.Report.Indexed, err)
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(context.Background(), "acme"); err != nil {
		fmt.Println(err)
	}
	// Output: acme SUCCESS 3 <nil>
}
