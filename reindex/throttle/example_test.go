package throttle_test

import (
	"context"
	"fmt"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/throttle"
)

// A Throttle limits all tenants together and each tenant. Its limits can be changed during a run.
func ExampleThrottle() {
	limits, err := throttle.New(throttle.Config{All: throttle.Limits{Documents: 5000}})
	if err != nil {
		fmt.Println(err)
		return
	}
	source := limits.Source(reindextest.Slice(reindextest.Products(10, "1")))
	engine, err := reindex.New(source, reindextest.NewMemory(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	limits.Pause("acme")
	job, _, err := engine.Start(context.Background(), "acme") // reads nothing yet
	if err != nil {
		fmt.Println(err)
		return
	}
	limits.Resume("acme")
	for now := range engine.Watch(context.Background(), "acme", job.ID) {
		job = now
	}
	fmt.Println(job.Status, limits.Limits("acme").Paused)
	// Output: SUCCESS false
}
