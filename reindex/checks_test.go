package reindex_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestChecks(t *testing.T) {
	secret := errors.New("dial tcp search-7.internal:9200: refused")
	for _, test := range []struct {
		name    string
		f       func(ctx context.Context, c reindex.Candidate) error
		message string // a part of the job's message, and empty if the index goes live
	}{
		{"content", func(context.Context, reindex.Candidate) error { return nil }, ""},
		{"public", func(context.Context, reindex.Candidate) error {
			return reindex.Public(secret, "query \"sock\" finds 0 products, want 3")
		}, `not published, check "own": query "sock" finds 0 products, want 3`},
		{
			"private", func(context.Context, reindex.Candidate) error { return secret },
			`not published, check "own": it refused the new index`,
		},
		{
			"panic", func(context.Context, reindex.Candidate) error { panic(secret) },
			`not published, check "own": it failed because of a defect`,
		},
		{
			"late", func(ctx context.Context, _ reindex.Candidate) error { <-ctx.Done(); return ctx.Err() },
			"it took longer than 1s",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen reindex.Candidate
				cfg := &reindex.Config{Checks: []reindex.Check{{Name: "own", Timeout: time.Second,
					Func: func(ctx context.Context, c reindex.Candidate) error {
						seen = c
						return test.f(ctx, c)
					}}}}
				b := newBench(t, reindextest.Slice(reindextest.Products(120, "new")), cfg, nil)
				_, err := b.Run(t.Context(), tenant)
				if seen.Tenant != tenant || seen.Documents != 120 || seen.Name() == "" || seen.Job != b.lastJob(t).ID {
					t.Errorf("the check got %+v, want the tenant, the job, a name and 120 documents", seen)
				}
				if _, ok := reindex.As[reindex.Scanner](seen); !ok {
					t.Error("the candidate does not have the capabilities of the generation")
				}
				if test.message == "" {
					if err != nil {
						t.Fatal(err)
					}
					b.assertLive(t, reindextest.Products(120, "new"), "new")
					return
				}
				refused, ok := errors.AsType[*reindex.CheckError](err)
				message := b.lastJob(t).Message
				if !ok || refused.Check != "own" || !strings.Contains(message, test.message) ||
					strings.Contains(message, "internal") {
					t.Errorf("got error %v and message %q, want %q without internals", err, message, test.message)
				}
				b.assertOldLive(t)
			})
		})
	}
}

func TestCancelDuringACheck(t *testing.T) {
	checking := make(chan struct{})
	cfg := &reindex.Config{Checks: []reindex.Check{{Name: "slow",
		Func: func(ctx context.Context, _ reindex.Candidate) error {
			close(checking)
			<-ctx.Done()
			return ctx.Err()
		}}}}
	b := newBench(t, reindextest.Slice(reindextest.Products(120, "new")), cfg, nil)
	job, _, err := b.StartWith(t.Context(), tenant, dryRun)
	if err != nil {
		t.Fatal(err)
	}
	<-checking
	if err := b.Cancel(t.Context(), tenant, job.ID); err != nil {
		t.Fatal(err)
	}
	if job = ended(t, b.Engine, job); job.Message != reindex.ErrCancelled.Error() {
		t.Errorf("the message is %q, want %q", job.Message, reindex.ErrCancelled)
	}
}

func TestChecksAreValidated(t *testing.T) {
	_, err := reindex.New(reindextest.Slice(nil), reindextest.NewMemory(),
		&reindex.Config{Checks: []reindex.Check{{Timeout: -1}}})
	for _, want := range []string{"Checks[0].Name", "Checks[0].Func", "Checks[0].Timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that names %s", err, want)
		}
	}
}
