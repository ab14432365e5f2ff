package schedule_test

import (
	"context"
	"fmt"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/schedule"
)

// The tenant is reindexed each night between 2:30 and 2:40 in Berlin.
func ExampleScheduler() {
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(10, "1")), reindextest.NewMemory(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := schedule.New(engine, &schedule.Config{CatchUp: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	entry := schedule.Entry{Tenant: "acme", Cron: "30 2 * * *", Location: berlin, Jitter: 10 * time.Minute}
	if err := s.Set(entry); err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stop() // a server stops the scheduler when it shuts down
	s.Run(ctx)
	// Output:
}
